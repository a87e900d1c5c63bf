// Runs the preheats of a proxy: looks up the image, chooses agents by the scope, asks each one (many at once over all
// jobs, a failed one a second time) and records their progress. An order equal to a running one joins it.
//
// A choice of N agents uses rendezvous over the image's digest: the same image gets the same agents again, and
// different images spread.

import { Clock, Deferred, Duration, Effect, FiberMap, Random, Schedule, type Scope, Semaphore } from "effect"
import { HttpClient } from "effect/http"
import { ringOwners } from "../../protocol/kit/hash-ring.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { AskLimits } from "../client/limits.ts"
import type { PreheatContent } from "../client/preheat-wire.ts"
import type { AgentsUnknown } from "../client/registration-client.ts"
import type { AgentRegistration } from "../client/registration-wire.ts"
import { type OciError, ociError } from "../oci/oci-error.ts"
import type { ImageSource } from "../registry/image-source.ts"
import { sourceFailed } from "../registry/registry-read.ts"
import { toDuration } from "../services/clock.ts"
import { counterMetric, gaugeMetric, type RoleMetrics } from "../services/metrics.ts"
import type { PreheatScope } from "./config.ts"
import { ProxyLimits } from "./limits.ts"
import { askAgent } from "./preheat-ask.ts"
import { imageContents } from "./preheat-contents.ts"
import { PreheatJob } from "./preheat-job.ts"
import { formatImage, type OrderScope, type PreheatOrder } from "./preheat-order.ts"
import { makePreheatTable } from "./preheat-table.ts"

export interface BegunPreheat {
  readonly job: PreheatJob
  /** Waits until the image and the agents are known. Fails with the reason when the job ended before that. */
  readonly resolved: Effect.Effect<void, OciError>
}

export interface PreheatJobs {
  /** `patient`: an image that is not there yet is looked up again for a short while. */
  readonly begin: (order: PreheatOrder, patient: boolean) => Effect.Effect<BegunPreheat, OciError>
  readonly get: (id: string) => Effect.Effect<PreheatJob | undefined>
  readonly list: Effect.Effect<ReadonlyArray<PreheatJob>>
  /** Asks no further agent and hangs up on those being asked. A job that ended stays as it is. */
  readonly cancel: (job: PreheatJob) => Effect.Effect<void>
}

/** The agents of a scope among the known ones. */
const chooseAgents = (
  scope: OrderScope,
  digest: Digest,
  known: ReadonlyArray<AgentRegistration>
): ReadonlyArray<AgentRegistration> => {
  switch (scope.kind) {
    case "none":
      return []
    case "all":
      return known
    case "zone":
      return known.filter(({ zone }) => zone === scope.zone)
    case "count": {
      const chosen = new Set(
        ringOwners(
          digest,
          known.map(({ url }) => url),
          scope.count
        )
      )
      return known.filter(({ url }) => chosen.has(url))
    }
  }
}

const preheatedAgents = counterMetric("shoal_preheated_agents_total", {
  of: "proxies",
  description: "Agents that were asked to preheat, by outcome",
  labels: { outcome: "`done` or `failed`" }
})
const preheatsUnderway = gaugeMetric("shoal_preheats_underway", {
  of: "proxies",
  description: "Preheats that have not ended"
})

export const makePreheatJobs = (options: {
  readonly source: Pick<ImageSource, "resolve" | "manifest">
  readonly findAgents: Effect.Effect<ReadonlyArray<AgentRegistration>, AgentsUnknown>
  readonly scope: PreheatScope
  readonly metrics: RoleMetrics
}): Effect.Effect<PreheatJobs, never, HttpClient.HttpClient | Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const limits = { ...(yield* ProxyLimits), ...(yield* AskLimits) }
    const table = makePreheatTable(limits)
    const places = yield* Semaphore.make(limits.maxPreheatAsks)
    const fibers = yield* FiberMap.make<string>()
    /** Running jobs by their orders. */
    const underway = new Map<string, BegunPreheat>()
    const counted = (outcome: string) => options.metrics.counter(preheatedAgents, { outcome })
    const done = counted("done")
    const failed = counted("failed")
    options.metrics.readGauge(preheatsUnderway, () => underway.size)

    const lookup = (order: PreheatOrder, patient: boolean) =>
      imageContents(options.source, order, order.platforms, limits).pipe(
        Effect.retry({
          while: (error) => patient && error._tag !== "ImageNotPreheated",
          schedule: Schedule.exponential(toDuration(limits.notifiedLookupDelay)).pipe(
            Schedule.upTo({ times: limits.notifiedLookups - 1 })
          )
        }),
        Effect.mapError((error) =>
          error._tag === "ImageNotPreheated"
            ? ociError("UNSUPPORTED", { status: 422, message: error.message })
            : sourceFailed(error)
        )
      )

    const agentsOf = (scope: OrderScope, digest: Digest) =>
      Effect.gen(function* () {
        if (scope.kind === "none") return []
        const known = yield* Effect.mapError(options.findAgents, ({ message }) =>
          ociError("UNAVAILABLE", { message })
        )
        const agents = chooseAgents(scope, digest, known)
        if (agents.length === 0) {
          const where = scope.kind === "zone" ? ` in zone ${scope.zone}` : ""
          return yield* ociError("UNAVAILABLE", {
            // The order needs agents that are absent; this proxy and its cluster are well.
            status: 409,
            message:
              `no agent is registered${where}: agents with "register" in their configuration are, ` +
              `within ${limits.registrationPeriod / 1_000_000} s`
          })
        }
        if (!table.hasRoomFor(agents.length, yield* Clock.currentTimeMillis)) {
          return yield* ociError("TOOMANYREQUESTS", {
            message: `running preheats ask ${limits.maxPreheatRecords} agents: wait for some to end`
          })
        }
        return agents
      })

    const askOne = (
      job: PreheatJob,
      repository: string,
      contents: readonly [PreheatContent, ...ReadonlyArray<PreheatContent>],
      url: string
    ): Effect.Effect<void> => {
      const attempt = Effect.suspend(() => {
        job.asked(url)
        return askAgent(client, url, { repository, contents }, limits, (progress) =>
          job.progressed(url, progress)
        )
      }).pipe(Semaphore.withPermit(places))
      return attempt.pipe(
        Effect.catch((error) => {
          job.willAskAgain(url, error.message)
          return Effect.andThen(Effect.sleep(toDuration(limits.preheatRetryDelay)), attempt)
        }),
        Effect.match({ onSuccess: () => undefined, onFailure: ({ message }) => message }),
        Effect.flatMap((failure) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            if (failure === undefined) done(1)
            else failed(1)
            job.agentEnded(url, failure, now)
          })
        )
      )
    }

    const run = (
      job: PreheatJob,
      order: PreheatOrder,
      patient: boolean,
      resolved: Deferred.Deferred<void, OciError>
    ): Effect.Effect<void> =>
      Effect.gen(function* () {
        const image = yield* lookup(order, patient)
        const agents = yield* agentsOf(job.scope, image.digest)
        const wanted = job.scope.kind === "count" ? job.scope.count : agents.length
        const fewer =
          agents.length < wanted
            ? `${wanted} agents were asked for, ${agents.length} are registered`
            : undefined
        job.resolved(image, agents, fewer, yield* Clock.currentTimeMillis)
        yield* Deferred.succeed(resolved, undefined)
        const [first, ...rest] = image.contents
        yield* Effect.forEach(agents, ({ url }) => askOne(job, order.repository, [first!, ...rest], url), {
          concurrency: limits.maxPreheatAsks,
          discard: true
        })
        const took = (job.endedAt ?? job.startedAt) - job.startedAt
        yield* job.state === "done"
          ? Effect.annotateLogs(Effect.logInfo("preheated an image"), {
              agents: agents.length,
              milliseconds: took
            })
          : Effect.logWarning("a preheat failed:", job.message)
      }).pipe(
        Effect.catch((error) =>
          Effect.gen(function* () {
            job.failed(error.message, yield* Clock.currentTimeMillis)
            yield* Deferred.fail(resolved, error)
            yield* Effect.logWarning("a preheat failed:", error.message)
          })
        ),
        Effect.ensuring(Effect.asVoid(Deferred.succeed(resolved, undefined))),
        Effect.annotateLogs({ image: job.image }),
        Effect.withSpan("proxy.preheat", { attributes: { image: job.image } })
      )

    /** Ids are numbers, because one of the forms requires them. A restarted proxy must not repeat them. */
    const freshId = Random.nextIntBetween(1, 2 ** 47).pipe(Effect.map(String))

    return {
      begin: (order, patient) =>
        Effect.gen(function* () {
          const scope = order.scope ?? options.scope
          const key = JSON.stringify([formatImage(order), [...order.platforms].sort(), scope])
          const like = underway.get(key)
          if (like !== undefined) return like
          const now = yield* Clock.currentTimeMillis
          const job = new PreheatJob(yield* freshId, order, scope, now)
          const resolved = Deferred.makeUnsafe<void, OciError>()
          if (!table.add(job, now)) {
            return yield* ociError("TOOMANYREQUESTS", {
              message: `${limits.maxPreheatJobs} preheats are running: wait for some to end`,
              headers: { "retry-after": String(Duration.toSeconds(toDuration(limits.preheatSilence))) }
            })
          }
          const begun = { job, resolved: Deferred.await(resolved) }
          underway.set(key, begun)
          yield* FiberMap.run(
            fibers,
            job.id,
            Effect.ensuring(
              run(job, order, patient, resolved),
              Effect.sync(() => underway.delete(key))
            )
          )
          return begun
        }),
      get: (id) => Effect.map(Clock.currentTimeMillis, (now) => table.get(id, now)),
      list: Effect.map(Clock.currentTimeMillis, (now) => table.list(now)),
      cancel: (job) =>
        Effect.gen(function* () {
          job.cancelled(yield* Clock.currentTimeMillis)
          yield* FiberMap.remove(fibers, job.id)
        })
    }
  })
