// Brings blobs of upstream registries to the origins. When a blob's metainfo is requested and no owner has it, the
// first origin of its ring order that answers fetches it, once and completely, and seeds it like any other. Requests
// during the fetch are answered that it is on its way.
//
//   requested -> an origin before this one in ring order answers? its answer
//             -> fetch (one per blob) -> digest checked, durable -> metainfo -> copied to the other owners
//                  \ still running after a moment: BlobOnItsWay      \ failed: lacking, remembered for a moment
//
// Invariants: over all origins that see each other, a blob is fetched once at a time; nothing becomes a blob before
// its digest is checked; a fetch continues when its requester has gone; running and waiting fetches are bounded.

import { Clock, Deferred, Effect, FiberMap, Option, type Scope, Semaphore, Stream } from "effect"
import { BoundedMap } from "../../protocol/kit/bounded-map.ts"
import { ringOwners } from "../../protocol/kit/hash-ring.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { Metainfo } from "../../protocol/wire/metainfo.ts"
import { askMetainfo } from "../client/ask-metainfo.ts"
import { BlobOnItsWay } from "../client/origin-errors.ts"
import type { Upstreams } from "../client/upstreams.ts"
import { toDuration } from "../services/clock.ts"
import { counterMetric, gaugeMetric, type RoleMetrics } from "../services/metrics.ts"
import { UpstreamLimits } from "../upstream/limits.ts"
import type { UpstreamError } from "../upstream/upstream-errors.ts"
import type { MirroredRepository, UpstreamRegistries } from "../upstream/upstream-registries.ts"
import { OriginLimits } from "./limits.ts"
import type { OriginRepair } from "./origin-repair.ts"
import type { OriginReplication } from "./origin-replication.ts"
import type { TransientUploads } from "./transient-uploads.ts"

export interface OriginMirror {
  /**
   * The metainfo of a blob that no origin has yet; none when its upstream does not have it, or cannot be asked now.
   */
  readonly metainfo: (
    namespace: string,
    digest: Digest
  ) => Effect.Effect<Option.Option<Metainfo>, BlobOnItsWay>
}

export interface OriginMirrorOptions {
  readonly registries: UpstreamRegistries
  readonly transient: TransientUploads
  readonly repair: OriginRepair
  readonly replication: OriginReplication
  readonly upstreams: Upstreams
  /** Base URLs of all origins, and this one's own. */
  readonly members: ReadonlyArray<string>
  readonly self: string
  readonly metrics: RoleMetrics
}

type Outcome = Option.Option<Metainfo>

const fetches = counterMetric("shoal_upstream_fetches_total", {
  of: "origins",
  description: "Blobs fetched from upstream registries, by outcome",
  labels: { result: "`done` or `failed`" }
})
const bytesReceived = counterMetric("shoal_upstream_bytes_received_total", {
  of: "origins",
  description: "Bytes of blobs received from upstream registries"
})
const fetchesUnderway = gaugeMetric("shoal_upstream_fetches_underway", {
  of: "origins",
  description: "Blobs being fetched from upstream registries or waiting for it"
})

export const makeOriginMirror = (
  options: OriginMirrorOptions
): Effect.Effect<OriginMirror, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { registries, transient, repair, replication, upstreams, members, self, metrics } = options
    const limits = yield* OriginLimits
    const { maxUpstreamAnswers, upstreamLacksLifetime } = yield* UpstreamLimits
    const fibers = yield* FiberMap.make<Digest>()
    const atOnce = yield* Semaphore.make(limits.maxUpstreamFetches)
    const underway = new Map<Digest, Deferred.Deferred<Outcome>>()
    /** Time, in milliseconds, until which a failed blob is not requested again. */
    const failedUntil = new BoundedMap<Digest, number>(maxUpstreamAnswers)
    const counted = (result: string) => metrics.counter(fetches, { result })
    const done = counted("done")
    const failed = counted("failed")
    const received = metrics.counter(bytesReceived)
    metrics.readGauge(fetchesUnderway, () => underway.size)

    /** The bytes of a blob. A manifest of the upstream is also a blob to the swarm. */
    const bytesOf = ({ registry, remote }: MirroredRepository, digest: Digest) =>
      registry.blob(remote, digest).pipe(
        Stream.catch(
          (error): Stream.Stream<Uint8Array, UpstreamError> =>
            error._tag === "UpstreamLacks"
              ? Stream.unwrap(
                  Effect.map(registry.manifest(remote, { tag: "Digest", digest }), ({ bytes }) =>
                    Stream.succeed(bytes)
                  )
                )
              : Stream.fail(error)
        ),
        Stream.tap((chunk) => Effect.sync(() => received(chunk.byteLength)))
      )

    const fetch = (
      mirrored: MirroredRepository,
      digest: Digest,
      outcome: Deferred.Deferred<Outcome>
    ): Effect.Effect<void> => {
      const commit = transient.receive(digest, bytesOf(mirrored, digest)).pipe(
        Effect.andThen(repair.completed(digest)),
        Effect.tap((metainfo) => Deferred.succeed(outcome, Option.some(metainfo)))
      )
      return replication.aroundCommit(digest, commit).pipe(
        Effect.andThen(Effect.logInfo("fetched a blob from its upstream")),
        Effect.tap(() => Effect.sync(() => done(1))),
        Effect.catch((error) =>
          Effect.gen(function* () {
            failed(1)
            failedUntil.set(digest, (yield* Clock.currentTimeMillis) + upstreamLacksLifetime / 1000)
            yield* Effect.logWarning(
              "a blob could not be fetched from its upstream:",
              error._tag,
              "message" in error ? error.message : ""
            )
          })
        ),
        atOnce.withPermits(1),
        Effect.ensuring(
          Effect.suspend(() => {
            underway.delete(digest)
            return Deferred.succeed(outcome, Option.none())
          })
        ),
        Effect.annotateLogs({ digest, upstream: mirrored.registry.name }),
        Effect.withSpan("origin.mirror", { attributes: { digest, upstream: mirrored.registry.name } })
      )
    }

    const wait = (
      digest: Digest,
      outcome: Deferred.Deferred<Outcome>
    ): Effect.Effect<Outcome, BlobOnItsWay> =>
      Effect.timeoutOrElse(Deferred.await(outcome), {
        duration: toDuration(limits.upstreamFetchWait),
        orElse: () =>
          Effect.fail(new BlobOnItsWay({ digest, message: `${digest} is being fetched from its upstream` }))
      })

    const fetchHere = (mirrored: MirroredRepository, digest: Digest): Effect.Effect<Outcome, BlobOnItsWay> =>
      Effect.gen(function* () {
        const running = underway.get(digest)
        if (running !== undefined) return yield* wait(digest, running)
        const until = failedUntil.get(digest)
        if (until !== undefined && (yield* Clock.currentTimeMillis) < until) return Option.none()
        failedUntil.delete(digest)
        if (underway.size >= limits.maxQueuedUpstreamFetches) {
          yield* Effect.logWarning("a blob is not fetched now: too many others wait").pipe(
            Effect.annotateLogs({ digest, waiting: underway.size })
          )
          return Option.none()
        }
        const outcome = Deferred.makeUnsafe<Outcome>()
        underway.set(digest, outcome)
        yield* FiberMap.run(fibers, digest, fetch(mirrored, digest, outcome))
        return yield* wait(digest, outcome)
      })

    return {
      metainfo: (namespace, digest) =>
        Effect.gen(function* () {
          const mirrored = registries.of(namespace)
          if (mirrored === undefined) return Option.none()
          const order = ringOwners(digest, members, members.length)
          for (const url of order.slice(0, order.indexOf(self))) {
            const patience = limits.upstreamFetchWait + upstreams.limits.askTimeout
            const answer = yield* Effect.result(
              askMetainfo(upstreams, url, { tag: "Metainfo", namespace, digest }, patience)
            )
            if (answer._tag === "Failure") continue
            const found = Option.getOrUndefined(answer.success)
            if (found instanceof BlobOnItsWay) return yield* found
            return Option.fromUndefinedOr(found?.metainfo)
          }
          return yield* fetchHere(mirrored, digest)
        })
    }
  })
