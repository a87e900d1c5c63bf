// The client of the trackers for preheats. An agent registers with every tracker, so that each knows all agents; a
// proxy asks all trackers and merges their answers, so that a recently restarted one hides nobody.

import { Data, Effect, Random, type Scope } from "effect"
import type { HttpClient } from "effect/http"
import type { Micros } from "../../protocol/kit/time.ts"
import { toDuration } from "../services/clock.ts"
import { counterMetric, type RoleMetrics } from "../services/metrics.ts"
import { apiClient } from "./api-client.ts"
import type { AgentRegistration } from "./registration-wire.ts"
import { TrackerApi } from "./tracker-api.ts"
import { baseUrl, makeUpstreams, unrefused } from "./upstreams.ts"

const api = apiClient(TrackerApi)

/** No tracker returned its agents. `message` names each and why. */
export class AgentsUnknown extends Data.TaggedError("AgentsUnknown")<{ readonly message: string }> {}

const registrationFailures = counterMetric("shoal_registration_failures_total", {
  of: "agents",
  description: "Registrations that a tracker did not accept"
})

/** Registers the agent with every tracker at intervals, until the scope ends. */
export const keepRegistered = (options: {
  readonly trackers: ReadonlyArray<string>
  readonly registration: AgentRegistration
  readonly metrics: RoleMetrics
}): Effect.Effect<void, never, HttpClient.HttpClient | Scope.Scope> =>
  Effect.gen(function* () {
    const upstreams = yield* makeUpstreams
    const { limits } = upstreams
    const failed = options.metrics.counter(registrationFailures)
    const { registration } = options
    const register = (tracker: string) =>
      upstreams
        .call(tracker, limits.askTimeout, api.register.post({ payload: registration }))
        .pipe(unrefused(tracker, "a registration"))

    /** Each tracker has its own pace: one that is down is asked sooner, and does not delay the others. */
    const keep = (tracker: string) =>
      Effect.gen(function* () {
        let retryDelay: Micros = limits.minRegistrationBackoff
        for (;;) {
          const outcome = yield* Effect.result(register(tracker))
          const share = yield* Random.nextBetween(0.75, 1)
          if (outcome._tag === "Success") {
            retryDelay = limits.minRegistrationBackoff
            yield* Effect.sleep(toDuration(Math.floor(limits.registrationPeriod * share)))
            continue
          }
          failed(1)
          yield* Effect.logDebug(outcome.failure.message)
          yield* Effect.sleep(toDuration(Math.floor(retryDelay * share)))
          retryDelay = Math.min(2 * retryDelay, limits.registrationPeriod)
        }
      })

    for (const tracker of options.trackers) yield* Effect.forkScoped(keep(baseUrl(tracker)))
  })

/** Every agent that any tracker knows, sorted by URL. */
export const makeAgentFinder = (
  trackers: ReadonlyArray<string>
): Effect.Effect<
  Effect.Effect<ReadonlyArray<AgentRegistration>, AgentsUnknown>,
  never,
  HttpClient.HttpClient
> =>
  Effect.gen(function* () {
    const upstreams = yield* makeUpstreams
    const { limits } = upstreams
    const known = (tracker: string) =>
      upstreams.call(tracker, limits.httpTimeout, api.agents.list({})).pipe(
        unrefused(tracker, "the list of agents"),
        Effect.map(({ agents }) => agents)
      )
    return Effect.gen(function* () {
      const answers = yield* Effect.forEach(
        trackers.map(baseUrl),
        (tracker) => Effect.result(known(tracker)),
        { concurrency: limits.maxParallelAsks }
      )
      const found = new Map<string, AgentRegistration>()
      const failures: string[] = []
      for (const answer of answers) {
        if (answer._tag === "Failure") failures.push(answer.failure.message)
        else for (const agent of answer.success) found.set(agent.url, agent)
      }
      if (failures.length === answers.length) {
        return yield* new AgentsUnknown({ message: `no tracker returned its agents: ${failures.join("; ")}` })
      }
      return [...found.values()].sort((one, other) => (one.url < other.url ? -1 : 1))
    })
  })
