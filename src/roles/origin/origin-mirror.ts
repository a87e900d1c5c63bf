// Brings blobs of upstream registries to the origins. When a blob's metainfo is requested and no owner has it, the
// first origin of its ring order that answers fetches it, once and completely, and seeds it like any other. Requests
// during the fetch are answered with its arrival, by which it is downloaded meanwhile (origin-arrivals.ts), or, before
// its length is known, that it is on its way. A short blob is waited for.
//
//   requested -> an origin before this one in ring order answers? its answer
//             -> fetch (one per blob) -> digest checked, durable -> metainfo -> copied to the other owners
//                  \ the arrival; before: BlobOnItsWay                \ failed: lacking, remembered for a moment
//
// Invariants: over all origins that see each other, a blob is fetched once at a time; nothing becomes a blob before
// its digest is checked; a fetch continues when its requester has gone; running and waiting fetches are bounded.

import { Clock, Deferred, Duration, Effect, FiberMap, Option, type Scope, Semaphore, Stream } from "effect"
import { BoundedMap } from "../../protocol/kit/bounded-map.ts"
import { ringOwners } from "../../protocol/kit/hash-ring.ts"
import { limits as protocolLimits } from "../../protocol/limits.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { Arrival, SwarmInfo } from "../../protocol/wire/metainfo.ts"
import { askMetainfo } from "../client/ask-metainfo.ts"
import { BlobOnItsWay } from "../client/origin-errors.ts"
import type { Upstreams } from "../client/upstreams.ts"
import { atEnd } from "../scoped.ts"
import type { BlobStore } from "../services/blob-store.ts"
import { toDuration } from "../services/clock.ts"
import { counterMetric, gaugeMetric, type RoleMetrics } from "../services/metrics.ts"
import { UpstreamLimits } from "../upstream/limits.ts"
import type { MirroredRepository, UpstreamRegistries } from "../upstream/upstream-registries.ts"
import { OriginLimits } from "./limits.ts"
import type { OriginArrivals } from "./origin-arrivals.ts"
import type { OriginRepair } from "./origin-repair.ts"
import type { OriginReplication } from "./origin-replication.ts"

export interface OriginMirror {
  /**
   * The metainfo of a blob that no origin has yet, or its arrival; none when its upstream does not have it, or cannot
   * be asked now.
   */
  readonly metainfo: (
    namespace: string,
    digest: Digest
  ) => Effect.Effect<Option.Option<SwarmInfo>, BlobOnItsWay>
  /** The blob that this origin is receiving. */
  readonly arriving: (digest: Digest) => Arrival | undefined
}

export interface OriginMirrorOptions {
  readonly registries: UpstreamRegistries
  readonly receive: BlobStore["receive"]
  readonly arrivals: OriginArrivals
  readonly repair: OriginRepair
  readonly replication: OriginReplication
  readonly upstreams: Upstreams
  /** Base URLs of all origins, and this one's own. */
  readonly members: ReadonlyArray<string>
  readonly self: string
  readonly metrics: RoleMetrics
}

/** What a swarm can have: nothing is made ready for a longer blob because its upstream says so. */
const longestBlob = protocolLimits.maxPieces * protocolLimits.maxPieceLength

type Outcome = Option.Option<SwarmInfo>

/** A fetch that is running or waits for its turn. */
interface Fetch {
  readonly outcome: Deferred.Deferred<Outcome>
  /** Done when the fetch takes so long that its arrival is better than to wait. */
  readonly arriving: Deferred.Deferred<Outcome>
  /** What is given out, from then on until the blob is whole. */
  arrival: Arrival | undefined
}

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
    const { registries, receive, arrivals, repair, replication, upstreams, members, self, metrics } = options
    const limits = yield* OriginLimits
    const { maxUpstreamAnswers, upstreamLacksLifetime } = yield* UpstreamLimits
    const fibers = yield* FiberMap.make<Digest>()
    const atOnce = yield* Semaphore.make(limits.maxUpstreamFetches)
    const underway = new Map<Digest, Fetch>()
    /** Time, in milliseconds, until which a failed blob is not requested again. */
    const failedUntil = new BoundedMap<Digest, number>(maxUpstreamAnswers)
    const counted = (result: string) => metrics.counter(fetches, { result })
    const done = counted("done")
    const failed = counted("failed")
    const received = metrics.counter(bytesReceived)
    metrics.readGauge(fetchesUnderway, () => underway.size)

    /** A blob. A manifest of the upstream is also a blob to the swarm. */
    const open = ({ registry, remote }: MirroredRepository, digest: Digest) =>
      registry.blob(remote, digest).pipe(
        Effect.catchTag("UpstreamLacks", () =>
          Effect.map(registry.manifest(remote, { tag: "Digest", digest }), ({ bytes }) => ({
            length: bytes.byteLength,
            bytes: Stream.succeed(bytes)
          }))
        ),
        Effect.map(({ length, bytes }) => ({
          length,
          bytes: Stream.tap(bytes, (chunk) => Effect.sync(() => received(chunk.byteLength)))
        }))
      )

    /** Makes the blob complete here. */
    const fetchWhole = (mirrored: MirroredRepository, digest: Digest, fetch: Fetch) =>
      Effect.gen(function* () {
        const { length, bytes } = yield* open(mirrored, digest)
        if (length === undefined || length < limits.minArrivalBytes || length > longestBlob) {
          return yield* Effect.asVoid(receive(digest, bytes))
        }
        yield* arrivals.receive(digest, length, bytes, (arrival) =>
          Effect.sleep(toDuration(limits.arrivalDelay)).pipe(
            Effect.andThen(
              Effect.suspend(() => {
                fetch.arrival = arrival
                return Deferred.succeed(fetch.arriving, Option.some(arrival))
              })
            ),
            Effect.forkScoped,
            Effect.andThen(
              atEnd(() => {
                fetch.arrival = undefined
              })
            )
          )
        )
      })

    const run = (mirrored: MirroredRepository, digest: Digest, fetch: Fetch): Effect.Effect<void> => {
      const commit = fetchWhole(mirrored, digest, fetch).pipe(
        Effect.andThen(repair.completed(digest)),
        Effect.tap((metainfo) => Deferred.succeed(fetch.outcome, Option.some(metainfo)))
      )
      return Effect.timed(replication.aroundCommit(digest, commit)).pipe(
        Effect.flatMap(([duration, metainfo]) =>
          Effect.annotateLogs(Effect.logInfo("fetched a blob from its upstream"), {
            bytes: metainfo.length,
            seconds: Duration.toSeconds(duration)
          })
        ),
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
            return Deferred.succeed(fetch.outcome, Option.none())
          })
        ),
        Effect.annotateLogs({ digest, upstream: mirrored.registry.name }),
        Effect.withSpan("origin.mirror", { attributes: { digest, upstream: mirrored.registry.name } })
      )
    }

    const wait = (digest: Digest, fetch: Fetch): Effect.Effect<Outcome, BlobOnItsWay> =>
      Effect.raceFirst(Deferred.await(fetch.outcome), Deferred.await(fetch.arriving)).pipe(
        Effect.timeoutOrElse({
          duration: toDuration(limits.upstreamFetchWait),
          orElse: () =>
            Effect.fail(new BlobOnItsWay({ digest, message: `${digest} is being fetched from its upstream` }))
        })
      )

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
        const fetch: Fetch = {
          outcome: Deferred.makeUnsafe<Outcome>(),
          arrival: undefined,
          arriving: Deferred.makeUnsafe<Outcome>()
        }
        underway.set(digest, fetch)
        yield* FiberMap.run(fibers, digest, run(mirrored, digest, fetch))
        return yield* wait(digest, fetch)
      })

    return {
      arriving: (digest) => underway.get(digest)?.arrival,
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
