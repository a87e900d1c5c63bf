// Preheating at an agent: a proxy asks for a list of contents, the agent pulls those that it lacks through the swarm,
// a few at a time over all requests, and reports its progress in lines at a steady interval.
//
// Invariants: a request names digests of the cluster only, and nothing but the swarm is asked for them. A proxy that
// hangs up ends the pulls of its request. At most maxPreheatsPerAgent requests are in progress.

import { Duration, Effect, Fiber, Semaphore, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import type { Digest } from "../../protocol/wire/digest.ts"
import { AgentApi } from "../client/agent-api.ts"
import type { AskLimits } from "../client/limits.ts"
import { PreheatAsk, type PreheatContent, type PreheatProgress } from "../client/preheat-wire.ts"
import { apiRoutes } from "../http/api-routes.ts"
import type { HttpRoute } from "../http/http-app.ts"
import type { RequestCounter } from "../http/http-requests.ts"
import { jsonBody } from "../http/json-body.ts"
import { ociError } from "../oci/oci-error.ts"
import { toDuration } from "../services/clock.ts"
import type { AgentLimits } from "./limits.ts"

export interface PreheatAgentOptions {
  /** Whether the whole content is in the agent's store. */
  readonly has: (digest: Digest) => Effect.Effect<boolean, { readonly message: string }>
  readonly pull: (namespace: string, digest: Digest) => Effect.Effect<void, { readonly message: string }>
  readonly counter: RequestCounter
  readonly limits: AgentLimits
  readonly asking: AskLimits
}

export const preheatAgentRoutes = (options: PreheatAgentOptions): Effect.Effect<ReadonlyArray<HttpRoute>> => {
  const { limits, asking } = options
  const askBody = jsonBody(PreheatAsk, "a preheat", limits.maxPreheatAskBytes)
  const places = Semaphore.makeUnsafe(limits.maxPreheatPulls)
  let underway = 0

  /** The progress lines of one request; its contents are pulled for as long as the lines are read. */
  const work = ({ repository, contents }: PreheatAsk): Stream.Stream<Uint8Array> =>
    Stream.unwrap(
      Effect.gen(function* () {
        let told: PreheatProgress = { done: 0, failed: 0, bytes: 0, fetched: 0, ended: false }

        const fetch = ({ digest, size }: PreheatContent) =>
          Effect.gen(function* () {
            const had = yield* options.has(digest)
            if (!had) yield* options.pull(repository, digest)
            const { done, bytes, fetched } = told
            told = { ...told, done: done + 1, bytes: bytes + size, fetched: fetched + (had ? 0 : size) }
          }).pipe(
            Effect.catch((error) =>
              Effect.sync(() => {
                const message = told.message ?? error.message.slice(0, 1000)
                told = { ...told, failed: told.failed + 1, message }
              })
            ),
            Semaphore.withPermit(places)
          )

        const pulls = yield* Effect.forkScoped(
          Effect.forEach(contents, fetch, { concurrency: limits.maxPreheatPulls, discard: true })
        )
        const line = (ended: boolean) => new TextEncoder().encode(`${JSON.stringify({ ...told, ended })}\n`)

        return Stream.unfold("first" as "first" | "next" | "over", (state) =>
          Effect.gen(function* () {
            if (state === "over") return undefined
            if (state === "next") {
              yield* Effect.raceFirst(
                Fiber.await(pulls),
                Effect.sleep(toDuration(asking.preheatProgressInterval))
              )
            }
            const ended = pulls.pollUnsafe() !== undefined
            return [line(ended), ended ? "over" : "next"] as const
          })
        )
      })
    )

  const answer = Effect.gen(function* () {
    const ask = yield* askBody
    if (underway >= limits.maxPreheatsPerAgent) {
      return yield* ociError("TOOMANYREQUESTS", {
        message: `${underway} preheats are already in progress on this agent`,
        headers: { "retry-after": String(Duration.toSeconds(toDuration(asking.preheatRetryDelay))) }
      })
    }
    // Released when the answer has been sent or the proxy has hung up.
    yield* Effect.acquireRelease(
      Effect.sync(() => underway++),
      () => Effect.sync(() => underway--)
    )
    return HttpServerResponse.stream(work(ask), { contentType: "application/x-ndjson" })
  })

  const answers = HttpApiBuilder.group(AgentApi, "preheat", (handlers) =>
    handlers.handleRaw("post", () => answer)
  )
  return apiRoutes(AgentApi, answers, {
    role: "the agent",
    counter: options.counter,
    routeName: (group) => group
  })
}
