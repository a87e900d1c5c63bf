// Sends requests to other roles over HTTP: each request has a time limit, a member that could not be reached is asked
// last for a while, and a request that nobody answered is repeated for a bounded number of rounds.
//
// Invariants: a member is never given up for good (when all are cooling down, all are asked); an answer with a status
// below 500 is an answer, and the caller interprets it.

import { Clock, Data, Effect, Option, Schedule, Schema } from "effect"
import { HttpClient, HttpClientError, HttpClientRequest, type HttpClientResponse } from "effect/http"
import type { Micros } from "../../protocol/kit/time.ts"
import type { OciError } from "../oci/oci-error.ts"
import { toDuration } from "../services/clock.ts"
import { AskLimits } from "./limits.ts"

/** A member did not answer: it is unreachable, too slow, or failing. `message` says which, and names the request. */
export class UpstreamFailed extends Data.TaggedError("UpstreamFailed")<{
  /** Base URL of the member. */
  readonly url: string
  readonly message: string
}> {}

export type UpstreamResponse = HttpClientResponse.HttpClientResponse

/** A request did not reach the member, or its answer was invalid. */
export type TransportError = HttpClientError.HttpClientError | Schema.SchemaError

/** Sends a request to the chosen member. A URL without a host is a path there. Statuses from 500 fail. */
type Send = (
  request: HttpClientRequest.HttpClientRequest
) => Effect.Effect<UpstreamResponse, HttpClientError.HttpClientError | UpstreamFailed>

/** A request to a member. It must consume or discard the body of the response that `send` returns. */
export type Question<A, E, R = never> = (send: Send) => Effect.Effect<A, E | UpstreamFailed, R>

export interface SearchResult<A> {
  readonly found: Option.Option<A>
  /** Members that said they do not have it. */
  readonly lacking: number
  /** Reasons why members did not answer, one line each. */
  readonly failures: ReadonlyArray<string>
}

export interface Upstreams {
  readonly limits: AskLimits
  /**
   * Asks the member at `url`. Request and answer together may take `within`, or any time when it is undefined.
   * Statuses from 500, and answers that do not fit their schema, are the member's failures.
   */
  readonly call: <A, E, R = never>(
    url: string,
    within: Micros | undefined,
    question: Question<A, E, R>
  ) => Effect.Effect<A, Exclude<E, TransportError> | UpstreamFailed, R>
  /** Like `call`, with a request and the reader of its answer. */
  readonly ask: <A, E, R>(
    url: string,
    request: HttpClientRequest.HttpClientRequest,
    within: Micros | undefined,
    read: (response: UpstreamResponse) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, Exclude<E, TransportError> | UpstreamFailed, R>
  /** `members` in their order, with those that failed recently last. */
  readonly preferred: (members: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>>
  /** Those of the members that did not fail recently. */
  readonly awake: (members: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>>
  /**
   * Asks members in their order until one has it. Those that failed recently are asked only when no other answered;
   * otherwise they are among the failures.
   */
  readonly search: <A, R>(
    members: ReadonlyArray<string>,
    ask: (url: string) => Effect.Effect<Option.Option<A>, UpstreamFailed, R>
  ) => Effect.Effect<SearchResult<A>, never, R>
  /** Remembers a failure of the member that `ask` does not see, a broken body for instance. */
  readonly failed: (url: string) => Effect.Effect<void>
}

/** An HTTP URL's base without the slash at its end, so that two spellings are one member. */
export const baseUrl = (url: string): string => (url.endsWith("/") ? url.slice(0, -1) : url)

/** Reads a body to its end and drops it, so that the connection can be reused. */
export const discardBody = (
  response: UpstreamResponse
): Effect.Effect<void, HttpClientError.HttpClientError> => Effect.asVoid(response.arrayBuffer)

const otherJson = (url: string, error: Schema.SchemaError): UpstreamFailed =>
  new UpstreamFailed({ url, message: `${url} answered other JSON: ${oneLine(error.message)}` })

/** A refusal that the caller cannot use: the member's failure. */
export const refusal = (url: string, what: string, { status, message }: OciError): UpstreamFailed =>
  new UpstreamFailed({ url, message: `${url} refused ${what} with ${status}: ${oneLine(message)}` })

/** For `call`: every refusal is the member's failure. */
export const unrefused =
  (url: string, what: string) =>
  <A>(asked: Effect.Effect<A, UpstreamFailed | OciError>): Effect.Effect<A, UpstreamFailed> =>
    Effect.mapError(asked, (error) => (error._tag === "OciError" ? refusal(url, what, error) : error))

/** Reads a refusal's reason and fails with it. */
export const refusedBy = (
  url: string,
  what: string,
  response: UpstreamResponse
): Effect.Effect<never, UpstreamFailed | HttpClientError.HttpClientError> =>
  Effect.flatMap(response.text, (text) =>
    Effect.fail(
      new UpstreamFailed({ url, message: `${url} refused ${what} with ${response.status}: ${oneLine(text)}` })
    )
  )

export const makeUpstreams: Effect.Effect<Upstreams, never, HttpClient.HttpClient> = Effect.gen(function* () {
  const client = yield* HttpClient.HttpClient
  const limits = yield* AskLimits
  // The configuration bounds its size, because only members are ever written here.
  let coolingUntil: Map<string, number> | undefined

  const failed = (url: string): Effect.Effect<void> =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      coolingUntil ??= new Map()
      coolingUntil.set(url, now + limits.upstreamCooldown / 1_000)
    })

  const failing = (url: string, what: string, response: UpstreamResponse) =>
    Effect.flatMap(
      Effect.catch(response.text, () => Effect.succeed("")),
      (body) =>
        Effect.fail(
          new UpstreamFailed({ url, message: `${what} was answered ${response.status}: ${oneLine(body)}` })
        )
    )

  const call: Upstreams["call"] = <A, E, R>(
    url: string,
    within: Micros | undefined,
    question: Question<A, E, R>
  ) =>
    Effect.suspend(() => {
      let what = url
      const unreached = (why: string): Effect.Effect<never, UpstreamFailed> =>
        Effect.andThen(failed(url), Effect.fail(new UpstreamFailed({ url, message: `${what} ${why}` })))
      const send: Send = (request) => {
        const whole = request.url.startsWith("/")
          ? HttpClientRequest.setUrl(request, url + request.url)
          : request
        what = `${whole.method} ${whole.url}`
        return Effect.flatMap(client.execute(whole), (response) =>
          response.status < 500 ? Effect.succeed(response) : failing(url, what, response)
        )
      }
      const notAnswered = (
        error: E | UpstreamFailed
      ): Effect.Effect<never, Exclude<E, TransportError> | UpstreamFailed> => {
        if (HttpClientError.isHttpClientError(error)) {
          const { reason } = error
          if (reason._tag === "StatusCodeError") return failing(url, what, reason.response)
          if (reason._tag !== "InvalidUrlError") return unreached(`failed: ${whyFailed(error)}`)
          const message = `${url} cannot be asked for ${reason.request.url}: ${whyFailed(error)}`
          return Effect.fail(new UpstreamFailed({ url, message }))
        }
        return Effect.fail(
          Schema.isSchemaError(error) ? otherJson(url, error) : (error as Exclude<E, TransportError>)
        )
      }
      const answered = Effect.matchEffect(question(send), {
        onSuccess: (answer) => {
          coolingUntil?.delete(url)
          return Effect.succeed(answer)
        },
        onFailure: notAnswered
      })
      if (within === undefined) return answered
      return Effect.timeoutOrElse(answered, {
        duration: toDuration(within),
        orElse: () => unreached(`was not answered within ${within / 1_000_000} s`)
      })
    })

  const ask: Upstreams["ask"] = (url, request, within, read) =>
    call(url, within, (send) => Effect.flatMap(send(request), read))

  const isCooling = (url: string, now: number): boolean => (coolingUntil?.get(url) ?? 0) > now

  const search: Upstreams["search"] = <A, R>(
    members: ReadonlyArray<string>,
    askOne: (url: string) => Effect.Effect<Option.Option<A>, UpstreamFailed, R>
  ) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const failures: string[] = []
      let lacking = 0
      const cooling = members.filter((url) => isCooling(url, now))
      for (const url of [...members.filter((url) => !isCooling(url, now)), ...cooling]) {
        if (lacking > 0 && cooling.includes(url)) {
          failures.push(`${url} failed recently and was not asked again`)
          continue
        }
        const answer = yield* Effect.catch(askOne(url), (error) => Effect.succeed(error))
        if (answer instanceof UpstreamFailed) failures.push(answer.message)
        else if (Option.isSome(answer)) return { found: answer, lacking, failures }
        else lacking++
      }
      return { found: Option.none<A>(), lacking, failures }
    })

  return {
    limits,
    ask,
    call,
    failed,
    search,
    awake: (members) =>
      Effect.map(Clock.currentTimeMillis, (now) => members.filter((url) => !isCooling(url, now))),
    preferred: (members) =>
      Effect.map(Clock.currentTimeMillis, (now) => [
        ...members.filter((url) => !isCooling(url, now)),
        ...members.filter((url) => isCooling(url, now))
      ])
  }
})

/** How often and for how long a blob is requested again while an origin fetches it from its upstream. */
export const whileFetched = (limits: AskLimits) =>
  Schedule.spaced(toDuration(limits.upstreamFetchPause)).pipe(
    Schedule.upTo({ duration: toDuration(limits.upstreamFetchPatience) })
  )

/** Asks in rounds until somebody answers, at most `upstreamRounds`. An immediate answer costs no schedule. */
export const inRounds =
  ({ upstreamRounds, upstreamRoundDelay }: AskLimits, isUnanswered: (error: Tagged) => boolean) =>
  <A, E extends Tagged, R>(asked: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    if (upstreamRounds < 2) return asked
    const later = Effect.retry(asked, {
      while: isUnanswered,
      schedule: Schedule.exponential(toDuration(2 * upstreamRoundDelay)).pipe(
        Schedule.upTo({ times: upstreamRounds - 2 })
      )
    })
    return Effect.catchIf(asked, isUnanswered, () => Effect.delay(later, toDuration(upstreamRoundDelay)))
  }

interface Tagged {
  readonly _tag: string
}

/** Reasons why the role at `url` does not answer /health, as lines for a readiness report; empty when it does. */
export const notHealthy = (upstreams: Upstreams, url: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.match(
    upstreams.ask(url, HttpClientRequest.get(`${url}/health`), upstreams.limits.healthTimeout, discardBody),
    {
      onSuccess: () => [],
      onFailure: (error) => [error.message]
    }
  )

/** Like notHealthy, for a cluster of which one member is enough. */
export const noneHealthy = (
  upstreams: Upstreams,
  members: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(
    Effect.forEach(members, (url) => notHealthy(upstreams, url), {
      concurrency: upstreams.limits.maxParallelAsks
    }),
    (reports) => (reports.some((report) => report.length === 0) ? [] : reports.flat())
  )

/** The reason why a request failed, on one line. */
export const whyFailed = (error: HttpClientError.HttpClientError): string => {
  const cause = error.reason.cause
  return oneLine(cause instanceof Error && cause.message !== "" ? cause.message : error.message)
}

const oneLine = (text: string): string => text.replace(/\s+/g, " ").trim().slice(0, 300)
