// Decides how a role asks other roles over HTTP: each question has a time limit, a member that could not be reached is
// asked last for a while, and a question that nobody answered is asked again for a bounded number of rounds.
//
// Invariants: a member is never given up for good (when all are cooling down, all are asked); an answer with a status
// below 500 is an answer, and its meaning is the caller's.

import { Clock, Data, Effect, Option, Schedule, type Schema } from "effect"
import { HttpClient, HttpClientError, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { AskLimits } from "./limits.ts"
import type { Micros } from "../../protocol/kit/time.ts"
import { toDuration } from "../services/clock.ts"

/** A member did not answer: unreachable, too slow, or failing. `message` says which, and what was asked. */
export class UpstreamFailed extends Data.TaggedError("UpstreamFailed")<{
  /** Base URL of the member. */
  readonly url: string
  readonly message: string
}> {}

export type UpstreamResponse = HttpClientResponse.HttpClientResponse

export interface SearchResult<A> {
  readonly found: Option.Option<A>
  /** Members that said they do not have it. */
  readonly lacking: number
  /** Why members did not answer, a line each. */
  readonly failures: ReadonlyArray<string>
}

export interface Upstreams {
  readonly limits: AskLimits
  /**
   * Sends a request to the member at `url` and hands the answer to `read`, which must consume or drop its body. Both
   * together may take `within`, or as long as they like when it is undefined. Statuses from 500 fail.
   */
  readonly ask: <A, E, R>(
    url: string,
    request: HttpClientRequest.HttpClientRequest,
    within: Micros | undefined,
    read: (response: UpstreamResponse) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, Exclude<E, HttpClientError.HttpClientError> | UpstreamFailed, R>
  /** `members` in their order, but those that failed lately last. */
  readonly preferred: (members: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>>
  /** Those of the members that did not fail lately. */
  readonly awake: (members: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>>
  /**
   * Asks members in their order until one has it. Those that failed lately are asked only when no other answered;
   * they are among the failures otherwise.
   */
  readonly search: <A, R>(
    members: ReadonlyArray<string>,
    ask: (url: string) => Effect.Effect<Option.Option<A>, UpstreamFailed, R>
  ) => Effect.Effect<SearchResult<A>, never, R>
  /** Remembers that the member failed in a way that `ask` does not see, a body that broke off for instance. */
  readonly failed: (url: string) => Effect.Effect<void>
}

/** An HTTP URL's base without the slash at its end, so that two spellings are one member. */
export const baseUrl = (url: string): string => (url.endsWith("/") ? url.slice(0, -1) : url)

/** Reads a body to its end and drops it, so that the connection can be used again. */
export const discardBody = (
  response: UpstreamResponse
): Effect.Effect<void, HttpClientError.HttpClientError> => Effect.asVoid(response.arrayBuffer)

/** The JSON of an answer from the member at `url`; JSON of another shape is the member's failure. */
export const decodeJson = <A>(
  url: string,
  response: UpstreamResponse,
  decode: (json: unknown) => Effect.Effect<A, Schema.SchemaError>
): Effect.Effect<A, UpstreamFailed | HttpClientError.HttpClientError> =>
  Effect.flatMap(response.json, (json) =>
    Effect.mapError(
      decode(json),
      (error) => new UpstreamFailed({ url, message: `${url} answered other JSON: ${oneLine(error.message)}` })
    )
  )

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
  // Bounded by the configuration: only members are ever written here.
  let coolingUntil: Map<string, number> | undefined

  const failed = (url: string): Effect.Effect<void> =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      coolingUntil ??= new Map()
      coolingUntil.set(url, now + limits.upstreamCooldown / 1_000)
    })

  const ask: Upstreams["ask"] = <A, E, R>(
    url: string,
    request: HttpClientRequest.HttpClientRequest,
    within: Micros | undefined,
    read: (response: UpstreamResponse) => Effect.Effect<A, E, R>
  ) => {
    const what = `${request.method} ${request.url}`
    const answered = Effect.gen(function* () {
      const response = yield* client.execute(request)
      if (response.status >= 500) {
        const body = yield* Effect.catch(response.text, () => Effect.succeed(""))
        return yield* new UpstreamFailed({
          url,
          message: `${what} was answered ${response.status}: ${oneLine(body)}`
        })
      }
      const answer = yield* read(response)
      coolingUntil?.delete(url)
      return answer
    })
    const unreached = (why: string) =>
      Effect.andThen(failed(url), Effect.fail(new UpstreamFailed({ url, message: `${what} ${why}` })))
    const asked = Effect.catch(answered, (error) =>
      HttpClientError.isHttpClientError(error)
        ? unreached(`failed: ${whyFailed(error)}`)
        : Effect.fail(error as Exclude<E, HttpClientError.HttpClientError> | UpstreamFailed)
    )
    if (within === undefined) return asked
    return Effect.timeoutOrElse(asked, {
      duration: toDuration(within),
      orElse: () => unreached(`was not answered within ${within / 1_000_000} s`)
    })
  }

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
          failures.push(`${url} failed lately and was not asked again`)
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

/** How long, and how often, a blob is asked for again that an origin is fetching from its upstream. */
export const whileFetched = (limits: AskLimits) =>
  Schedule.spaced(toDuration(limits.upstreamFetchPause)).pipe(
    Schedule.upTo({ duration: toDuration(limits.upstreamFetchPatience) })
  )

/** The rounds in which a question is asked again that nobody answered. */
export const upstreamRounds = ({ upstreamRoundDelay, upstreamRounds: rounds }: AskLimits) =>
  Schedule.exponential(toDuration(upstreamRoundDelay)).pipe(Schedule.upTo({ times: rounds - 1 }))

/** Why the role at `url` does not answer /health, as lines for a readiness report; empty when it does. */
export const notHealthy = (upstreams: Upstreams, url: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.match(
    upstreams.ask(url, HttpClientRequest.get(`${url}/health`), upstreams.limits.healthTimeout, discardBody),
    {
      onSuccess: () => [],
      onFailure: (error) => [error.message]
    }
  )

/** As notHealthy, for a cluster of which one member is enough. */
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

/** Why a request failed, on one line. */
export const whyFailed = (error: HttpClientError.HttpClientError): string => {
  const cause = error.reason.cause
  return oneLine(cause instanceof Error && cause.message !== "" ? cause.message : error.message)
}

const oneLine = (text: string): string => text.replace(/\s+/g, " ").trim().slice(0, 300)
