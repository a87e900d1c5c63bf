// The collector of an origin. It removes blobs that no repository needs any more: at a configured interval, on
// request (POST /collect), or as a dry run (GET /collect, or POST with ?dry-run), which reports what would go and how
// many bytes.
//
//   complete here, untouched for the grace -> no build-index needs it -> still untouched -> swarm left, waiting copies
//                                                                        forgotten, blob and metainfo removed
//
// Invariants: nothing is removed unless every build-index answered that nobody needs it, after the grace of the last
// touch. A client that links a blob has touched it before, within the grace (origin-client.ts), so either the
// question sees the link, or the last check sees the touch. Each origin decides for itself. A copy of another origin
// returns only when it is requested by a name that needs it, or from that origin's queue of copies, and is then
// collected again. One collection runs at a time.

import { Clock, Duration, Effect, Option, Schema, type Scope, Semaphore } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { BuildIndexClient, BuildIndexUnavailable } from "../client/build-index-client.ts"
import { AskLimits } from "../client/limits.ts"
import { apiRoutes } from "../http/api-routes.ts"
import { collectApi, collectionReport } from "../http/collect-api.ts"
import type { HttpRoute } from "../http/http-app.ts"
import type { RequestCounter } from "../http/http-requests.ts"
import { HttpLimits } from "../http/limits.ts"
import type { PeerEngine } from "../peer/peer-engine.ts"
import type { BlobStat, BlobStore, BlobStoreError } from "../services/blob-store.ts"
import { counterMetric, type RoleMetrics } from "../services/metrics.ts"
import type { TableStoreError } from "../services/table-store.ts"
import type { OriginCollect } from "./config.ts"
import type { OriginReplication } from "./origin-replication.ts"
import type { OriginTouches } from "./origin-touches.ts"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

const OriginCollectReport = Schema.Struct({
  dryRun: Schema.Boolean,
  /** Complete blobs that are here, and those of them that were used or touched within the grace. */
  complete: Count,
  touched: Count,
  /** Removed blobs, and the bytes of their content. */
  blobs: Count,
  bytes: Count,
  /** The first maxCollectListed of them. */
  gone: Schema.Array(Schema.String)
}).annotate({ identifier: "OriginCollectReport" })
type OriginCollectReport = typeof OriginCollectReport.Type

export const OriginCollectApi = collectApi(OriginCollectReport)

type CollectError = BuildIndexUnavailable | BlobStoreError | TableStoreError

const collectedBlobs = counterMetric("shoal_origin_collected_blobs_total", {
  of: "origins",
  description: "Blobs that the collector removed"
})
const collectedBytes = counterMetric("shoal_origin_collected_bytes_total", {
  of: "origins",
  description: "Bytes of blobs that the collector removed"
})

export const makeOriginCollect = (options: {
  readonly config: OriginCollect
  readonly blobs: BlobStore
  readonly touches: OriginTouches
  readonly engine: Pick<PeerEngine, "retire">
  readonly replication: Pick<OriginReplication, "forget">
  readonly buildIndex: Pick<BuildIndexClient, "referenced">
  readonly counter: RequestCounter
  readonly metrics: RoleMetrics
}): Effect.Effect<ReadonlyArray<HttpRoute>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { config, blobs, touches, engine, replication, buildIndex, counter, metrics } = options
    const { maxReferencesAsked } = yield* AskLimits
    const { maxCollectListed } = yield* HttpLimits
    const graceMillis = Duration.toMillis(config.grace)
    const oneAtATime = Semaphore.makeUnsafe(1).withPermit
    const removed = {
      blobs: metrics.counter(collectedBlobs),
      bytes: metrics.counter(collectedBytes)
    }

    /** False while a neighbour is being served. The next collection tries again. */
    const takeAway = (digest: Digest): Effect.Effect<boolean, CollectError> =>
      Effect.gen(function* () {
        const removal = Effect.andThen(replication.forget(digest), blobs.remove(digest))
        const torrent = yield* blobs.metainfo(digest)
        if (Option.isSome(torrent)) return yield* engine.retire(torrent.value.swarm, removal)
        yield* removal
        return true
      })

    /** Those of the blobs that nobody needs, removed unless this is a dry run. */
    const judge = (batch: ReadonlyArray<BlobStat>, before: number, dryRun: boolean) =>
      Effect.gen(function* () {
        const needed = yield* buildIndex.referenced(batch.map(({ digest }) => digest))
        const gone = yield* Effect.filter(batch, ({ digest }) => {
          if (needed.has(digest)) return Effect.succeed(false)
          return dryRun
            ? Effect.succeed(touches.isIdle(digest, before))
            : touches.remove(digest, before, takeAway(digest))
        })
        if (dryRun || gone.length === 0) return gone
        const bytes = bytesOf(gone)
        removed.blobs(gone.length)
        removed.bytes(bytes)
        yield* Effect.annotateLogs(Effect.logInfo("collected blobs that no repository needs"), {
          blobs: gone.length,
          bytes,
          first: gone.slice(0, 3).map(({ digest }) => digest)
        })
        return gone
      })

    const collect = (dryRun: boolean): Effect.Effect<OriginCollectReport, CollectError> =>
      oneAtATime(
        Effect.gen(function* () {
          const before = (yield* Clock.currentTimeMillis) - graceMillis
          touches.forget(before)
          const complete = yield* blobs.list
          const idle = complete.filter(({ digest }) => touches.isIdle(digest, before))
          const gone: string[] = []
          let count = 0
          let bytes = 0
          for (let start = 0; start < idle.length; start += maxReferencesAsked) {
            const batch = yield* judge(idle.slice(start, start + maxReferencesAsked), before, dryRun)
            count += batch.length
            bytes += bytesOf(batch)
            for (const { digest, length } of batch) {
              if (gone.length < maxCollectListed) gone.push(`${digest} ${length} bytes`)
            }
          }
          const touched = complete.length - idle.length
          return { dryRun, complete: complete.length, touched, blobs: count, bytes, gone }
        })
      )

    if (config.every !== undefined) {
      const again = Effect.catch(collect(false), (error) =>
        Effect.logWarning("the collection stops until the next interval:", error.message)
      )
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(config.every), again)))
    }

    const answers = HttpApiBuilder.group(OriginCollectApi, "collect", (handlers) =>
      handlers
        .handle("plan", () => collectionReport(collect(true)))
        .handle("collect", ({ query }) => collectionReport(collect(query["dry-run"] !== undefined)))
    )
    return yield* apiRoutes(OriginCollectApi, answers, {
      role: "the origin",
      counter,
      routeName: () => "/collect"
    })
  })

const bytesOf = (blobs: ReadonlyArray<BlobStat>): number =>
  blobs.reduce((bytes, { length }) => bytes + length, 0)
