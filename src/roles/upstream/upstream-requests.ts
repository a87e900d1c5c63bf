// Sends one request to an upstream registry: authorized if the upstream wants it, redirects followed without
// Authorization, each step bounded in time, and the statuses turned into what they mean. An upstream that is
// overloaded or unreachable gets no requests for a while; callers are answered at once meanwhile.
//
//   request -> 401 -> token -> request -> 307 -> request elsewhere -> 200, 206
//                                              \ 404, 401, 403: UpstreamLacks   \ anything else: UpstreamAway
//
// Invariants: Authorization goes to the upstream's own origin only; at most maxRedirects hops, each inside the trust
// boundary; of a client's request, only the requested name and digest are passed on.

import { Clock, Effect, Redacted } from "effect"
import { HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import type { Micros } from "../../protocol/kit/time.ts"
import { baseUrl } from "../client/upstreams.ts"
import { toDuration } from "../services/clock.ts"
import { discardBody, reasonIn } from "./bounded-body.ts"
import { UpstreamLimits } from "./limits.ts"
import type { Upstream } from "./mirror-config.ts"
import { isDistrusted, makeTrustBoundary } from "./trust-boundary.ts"
import { UpstreamAway, type UpstreamError, UpstreamLacks } from "./upstream-errors.ts"
import { type Authorization, makeUpstreamTokens } from "./upstream-tokens.ts"

interface UpstreamQuestion {
  readonly method: "GET" | "HEAD"
  /** The name of the repository at the upstream. */
  readonly repository: string
  /** The part after "/v2/{repository}/", with its query. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Sends a request. The answer is 200 or 206, with its body not yet read. Ends within upstreamAnswerTimeout. */
export type UpstreamRequests = (
  question: UpstreamQuestion
) => Effect.Effect<HttpClientResponse.HttpClientResponse, UpstreamError>

const redirects: ReadonlyArray<number> = [301, 302, 303, 307, 308]

/** Retry-After in seconds. Its form as a date is ignored, because clocks may differ. */
const retryAfter = (header: string | undefined, limits: UpstreamLimits): Micros => {
  const pause = /^\d{1,6}$/.test(header ?? "") ? Number(header) * 1_000_000 : limits.upstreamPause
  return Math.min(Math.max(pause, limits.upstreamPause), limits.maxUpstreamPause)
}

export const makeUpstreamRequests = (
  upstream: Upstream
): Effect.Effect<UpstreamRequests, never, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const limits = yield* UpstreamLimits
    const boundary = makeTrustBoundary(upstream)
    const tokens = yield* makeUpstreamTokens(upstream, boundary)
    const { name } = upstream
    let pausedUntil = 0
    let pausedWhy = ""

    const away = (why: string, pause?: Micros) =>
      new UpstreamAway({ message: `${name} ${why}`, ...(pause === undefined ? {} : { pause }) })

    const send = (question: UpstreamQuestion, url: URL, authorization: Authorization | undefined) =>
      client
        .execute(
          HttpClientRequest.make(question.method)(url.href, {
            headers: {
              "accept-encoding": "identity",
              ...question.headers,
              ...(authorization === undefined || !boundary.isUpstream(url)
                ? {}
                : { authorization: Redacted.value(authorization) })
            }
          })
        )
        .pipe(
          Effect.mapError((error) =>
            away(`cannot be reached at ${url.host}: ${error.message.slice(0, 200)}`, limits.upstreamPause)
          ),
          Effect.timeoutOrElse({
            duration: toDuration(limits.upstreamHeadersTimeout),
            orElse: () =>
              Effect.fail(
                away(
                  `did not answer at ${url.host} within ${limits.upstreamHeadersTimeout / 1_000_000} s`,
                  limits.upstreamPause
                )
              )
          })
        )

    const follow = (question: UpstreamQuestion, start: URL, authorization: Authorization | undefined) =>
      Effect.gen(function* () {
        let url = start
        for (let hop = 0; hop <= limits.maxUpstreamRedirects; hop++) {
          const response = yield* send(question, url, authorization)
          if (!redirects.includes(response.status)) return { response, url }
          yield* discardBody(response, limits.maxRefusalBytes)
          const next = boundary.redirect(response.headers.location ?? "", url)
          if (isDistrusted(next)) return yield* new UpstreamAway({ message: next.reason })
          url = next
        }
        return yield* away(`redirects more than ${limits.maxUpstreamRedirects} times`)
      })

    const refusal = (what: string, response: HttpClientResponse.HttpClientResponse, host: string) =>
      Effect.gen(function* () {
        const { status } = response
        const reason = yield* reasonIn(response, limits.maxRefusalBytes)
        const message = `answered ${status} to ${what} at ${host}${reason === "" ? "" : `: ${reason}`}`
        if (status === 404) return yield* new UpstreamLacks({ denied: false, message: `${name} ${message}` })
        if (status === 401 || status === 403) {
          return yield* new UpstreamLacks({ denied: true, message: `${name} ${message}` })
        }
        if (status === 429) return yield* away(message, retryAfter(response.headers["retry-after"], limits))
        return yield* away(message)
      })

    const ask = (question: UpstreamQuestion) =>
      Effect.gen(function* () {
        const { repository, path, method } = question
        const start = new URL(`${baseUrl(upstream.url)}/v2/${repository}/${path}`)
        const what = `${method} ${repository}/${path}`
        let authorization = yield* tokens.known(repository)
        let answered = yield* follow(question, start, authorization)
        if (answered.response.status === 401 && boundary.isUpstream(answered.url)) {
          const header = answered.response.headers["www-authenticate"]
          yield* discardBody(answered.response, limits.maxRefusalBytes)
          authorization = yield* tokens.answer(repository, header, authorization)
          answered = yield* follow(question, start, authorization)
        }
        const { response, url } = answered
        const isFound = response.status === 200 || response.status === 206
        if (isFound || (response.status === 401 && boundary.isUpstream(url))) {
          yield* tokens.judged(authorization, isFound)
        }
        if (isFound) return response
        return yield* refusal(what, response, url.host)
      }).pipe(
        Effect.timeoutOrElse({
          duration: toDuration(limits.upstreamAnswerTimeout),
          orElse: () =>
            Effect.fail(
              away(
                `did not answer within ${limits.upstreamAnswerTimeout / 1_000_000} s`,
                limits.upstreamPause
              )
            )
        })
      )

    return (question) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        if (now < pausedUntil) {
          return yield* new UpstreamAway({
            message: `${pausedWhy} (not asked again for ${Math.ceil((pausedUntil - now) / 1000)} s)`,
            pause: (pausedUntil - now) * 1000
          })
        }
        return yield* Effect.tapError(ask(question), (error) =>
          error._tag === "UpstreamAway" && error.pause !== undefined
            ? pauseFor(error.pause, error.message)
            : Effect.void
        )
      })

    function pauseFor(pause: Micros, why: string): Effect.Effect<void> {
      return Effect.flatMap(Clock.currentTimeMillis, (now) => {
        pausedUntil = now + pause / 1000
        pausedWhy = why
        return Effect.annotateLogs(Effect.logWarning("an upstream is not asked for a while:", why), {
          upstream: name,
          seconds: Math.ceil(pause / 1_000_000)
        })
      })
    }
  })
