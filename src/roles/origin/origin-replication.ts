// Copies a blob that one owner received to the other owners: once immediately, and after a failure again and again
// from a durable queue with growing pauses, until the owner has it, is no longer an owner, or the blob is gone here.
//
//   intended (a row) --copied--> done (no row)
//        |  failed: attempts + 1, not before now + delay
//        +--> waiting (the row) --due--> tried again, one at a time
//
// Invariants: the row is written before the blob is committed, so a crash between commit and copy forgets no copy; at
// most one copy runs per pair of blob and target; a pause between any two retries bounds their rate.

import { Clock, Data, Effect, Exit, Latch, Option, Schema, type Scope } from "effect"
import { HttpClientRequest } from "effect/http"
import { ringOwners } from "../../protocol/kit/hash-ring.ts"
import { type Digest, parseDigest } from "../../protocol/wire/digest.ts"
import { formatBlobPath } from "../client/blob-path.ts"
import { sendBlob } from "../client/blob-send.ts"
import { discardBody, refusedBy, type UpstreamFailed, type Upstreams } from "../client/upstreams.ts"
import type { BlobStore, BlobStoreError } from "../services/blob-store.ts"
import { toDuration } from "../services/clock.ts"
import { counterMetric, gaugeMetric, type RoleMetrics } from "../services/metrics.ts"
import { forEachPage } from "../services/table-pages.ts"
import type { TableStore, TableStoreError } from "../services/table-store.ts"
import { OriginLimits } from "./limits.ts"
import { encodeCopy, metainfoLengthParameter } from "./origin-copy.ts"
import type { OriginRepair } from "./origin-repair.ts"

const table = "replication"

const Waiting = Schema.fromJsonString(Schema.Struct({ attempts: Schema.Int, notBefore: Schema.Number }))
type Waiting = typeof Waiting.Type
const decodeWaiting = Schema.decodeUnknownOption(Waiting)

/** The blob is not complete here, so there is nothing to copy. */
class NothingToCopy extends Data.TaggedError("NothingToCopy")<{ readonly message: string }> {}

export interface OriginReplication {
  /**
   * Runs `commit`, which makes the blob complete here, and then tries once to copy it to each other owner. A failed
   * copy stays queued and is no failure here.
   */
  readonly aroundCommit: <A, E, R>(
    digest: Digest,
    commit: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | TableStoreError | BlobStoreError, R>
  /** The blob is being removed, so its waiting copies are forgotten. A running one ends by itself. */
  readonly forget: (digest: Digest) => Effect.Effect<void, TableStoreError>
}

export interface ReplicationOptions {
  readonly blobs: BlobStore
  readonly tables: TableStore
  readonly upstreams: Upstreams
  readonly repair: Pick<OriginRepair, "completed">
  /** Base URLs of all origins, and this one's own. */
  readonly members: ReadonlyArray<string>
  readonly self: string
  readonly metrics: RoleMetrics
}

const copies = counterMetric("shoal_origin_copies_total", {
  of: "origins",
  description: "Copies to other origins, by outcome",
  labels: { result: "`done` or `failed`" }
})
const copiesQueued = gaugeMetric("shoal_origin_copies_queued", {
  of: "origins",
  description: "Copies to other origins that are not done"
})

export const makeOriginReplication = (
  options: ReplicationOptions
): Effect.Effect<OriginReplication, TableStoreError, Scope.Scope> =>
  Effect.gen(function* () {
    const { blobs, tables, upstreams, repair, members, self, metrics } = options
    const limits = yield* OriginLimits
    const underway = new Set<string>()
    // Running commits. Their rows are not for the worker, because there may be nothing to copy yet.
    const committing = new Map<Digest, number>()
    const latch = yield* Latch.make(false)
    const copied = metrics.counter(copies, { result: "done" })
    const failedCopies = metrics.counter(copies, { result: "failed" })
    let queued = 0
    metrics.readGauge(copiesQueued, () => queued)

    const targetsOf = (digest: Digest): ReadonlyArray<string> =>
      ringOwners(digest, members, upstreams.limits.originReplicas).filter((url) => url !== self)
    const keyOf = (digest: Digest, target: string): string => `${digest} ${target}`

    const put = (key: string, waiting: Waiting) =>
      tables.write([{ tag: "Put", table, key, value: JSON.stringify(waiting) }])

    const remove = (key: string) =>
      Effect.gen(function* () {
        const there = yield* tables.get(table, key)
        if (Option.isNone(there)) return
        yield* tables.write([{ tag: "Delete", table, key }])
        queued--
      })

    /** Sends one copy. A target that already has blob and metainfo needs none. */
    const send = (
      digest: Digest,
      target: string
    ): Effect.Effect<void, UpstreamFailed | BlobStoreError | NothingToCopy> =>
      Effect.gen(function* () {
        const torrent = yield* blobs.metainfo(digest)
        const stat = yield* blobs.stat(digest)
        const nothing = new NothingToCopy({ message: `${digest} is not complete here` })
        if (Option.isNone(stat)) return yield* nothing
        // The origin was killed between the blob and its metainfo: the copies were intended, and the metainfo is made
        // now.
        const metainfo = Option.isSome(torrent)
          ? torrent.value.metainfo
          : yield* Effect.catchTag(repair.completed(digest), "BlobMissing", () => nothing)
        const there = yield* upstreams.ask(
          target,
          HttpClientRequest.head(target + formatBlobPath({ tag: "OwnMetainfo", digest })),
          upstreams.limits.askTimeout,
          (response) => Effect.as(discardBody(response), response.status === 200)
        )
        if (there) return
        const { body, metainfoLength } = encodeCopy(metainfo, blobs.read(digest, 0, metainfo.length))
        const request = HttpClientRequest.put(target + formatBlobPath({ tag: "Copy", digest }), {
          urlParams: { [metainfoLengthParameter]: metainfoLength }
        })
        yield* sendBlob(upstreams, target, request, body, (response) =>
          response.status === 201 || response.status === 200
            ? discardBody(response)
            : refusedBy(target, `a copy of ${digest}`, response)
        )
      })

    const attempt = (
      digest: Digest,
      target: string,
      attempts: number
    ): Effect.Effect<void, TableStoreError> =>
      Effect.gen(function* () {
        const key = keyOf(digest, target)
        const failure = yield* Effect.match(send(digest, target), {
          onSuccess: () => undefined,
          onFailure: (error) => error
        })
        if (failure === undefined) {
          copied(1)
          return yield* remove(key)
        }
        if (failure._tag === "NothingToCopy") {
          yield* Effect.logWarning("a blob is not copied to another owner:", failure.message)
          return yield* remove(key)
        }
        failedCopies(1)
        // Without a row the queue was full: the copy was not intended, so it is not tried again.
        if (Option.isNone(yield* tables.get(table, key))) return
        const delay = Math.min(
          limits.minReplicationDelay * 2 ** Math.min(attempts, 20),
          limits.maxReplicationDelay
        )
        yield* Effect.logWarning("a copy to another owner failed:", failure.message).pipe(
          Effect.annotateLogs({ attempts: attempts + 1, nextInSeconds: delay / 1_000_000 })
        )
        const now = yield* Clock.currentTimeMillis
        yield* put(key, { attempts: attempts + 1, notBefore: now + delay / 1_000 })
      }).pipe(
        Effect.annotateLogs({ digest, target }),
        Effect.withSpan("origin.replicate", { attributes: { digest, target, attempts } })
      )

    /** Runs `work` unless a copy of the pair is running. */
    const exclusively = (key: string, work: Effect.Effect<void, TableStoreError>) =>
      Effect.acquireUseRelease(
        Effect.sync(() => !underway.has(key) && underway.add(key) !== undefined),
        (mine) => (mine ? work : Effect.void),
        (mine) => Effect.sync(() => mine && underway.delete(key))
      )

    const retry = (key: string, value: string): Effect.Effect<void, TableStoreError> =>
      Effect.gen(function* () {
        const space = key.indexOf(" ")
        const digest = parseDigest(key.slice(0, space))
        const target = key.slice(space + 1)
        const waiting = decodeWaiting(value)
        if (digest === undefined || !targetsOf(digest).includes(target) || Option.isNone(waiting)) {
          yield* Effect.annotateLogs(Effect.logWarning("dropped a waiting copy that is no longer wanted"), {
            key
          })
          return yield* remove(key)
        }
        if (committing.has(digest) || waiting.value.notBefore > (yield* Clock.currentTimeMillis)) return
        yield* Effect.sleep(toDuration(limits.replicationRetryPause))
        yield* attempt(digest, target, waiting.value.attempts)
      })

    const pages = { limit: limits.replicationPage }

    /** One pass over the queue. */
    const pass = forEachPage(tables, table, pages, (rows) =>
      Effect.forEach(rows, ({ key, value }) => exclusively(key, retry(key, value)), { discard: true })
    )

    const worker = Effect.gen(function* () {
      yield* latch.await
      yield* Effect.sleep(toDuration(limits.minReplicationDelay))
      yield* pass
      if (queued <= 0) latch.closeUnsafe()
    }).pipe(
      Effect.catch((error) => Effect.logError("the queue of copies to other origins fails:", error.message)),
      Effect.forever
    )

    yield* forEachPage(tables, table, pages, (rows) =>
      Effect.sync(() => {
        queued += rows.length
      })
    )
    if (queued > 0) latch.openUnsafe()
    yield* Effect.forkScoped(worker)

    const intend = (digest: Digest): Effect.Effect<void, TableStoreError> =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        for (const target of targetsOf(digest)) {
          const key = keyOf(digest, target)
          if (Option.isSome(yield* tables.get(table, key))) continue
          if (queued >= limits.maxQueuedReplications) {
            failedCopies(1)
            yield* Effect.annotateLogs(
              Effect.logError("the queue of copies is full: a blob will be missing at another owner"),
              { digest, target, waiting: queued }
            )
            continue
          }
          yield* put(key, { attempts: 0, notBefore: now })
          queued++
          latch.openUnsafe()
        }
      })

    /** The commit failed: nothing is copied, unless another commit of the same blob is running or succeeded. */
    const withdraw = (digest: Digest) =>
      Effect.gen(function* () {
        if (committing.has(digest) || Option.isSome(yield* blobs.stat(digest))) return
        yield* Effect.forEach(targetsOf(digest), (target) => remove(keyOf(digest, target)), { discard: true })
      }).pipe(
        // The worker drops the rows when it finds nothing to copy.
        Effect.catch((error) =>
          Effect.annotateLogs(Effect.logWarning("intended copies stay queued:", error.message), { digest })
        )
      )

    const begin = (digest: Digest) =>
      Effect.sync(() => void committing.set(digest, (committing.get(digest) ?? 0) + 1))

    const end = (digest: Digest) =>
      Effect.sync(() => {
        const others = committing.get(digest)! - 1
        if (others === 0) committing.delete(digest)
        else committing.set(digest, others)
      })

    const copy = (digest: Digest) =>
      Effect.forEach(
        targetsOf(digest),
        (target) => exclusively(keyOf(digest, target), attempt(digest, target, 0)),
        { concurrency: upstreams.limits.maxParallelAsks, discard: true }
      )

    return {
      aroundCommit: (digest, commit) =>
        Effect.acquireUseRelease(
          begin(digest),
          () => Effect.andThen(intend(digest), commit),
          (_, exit) => Effect.andThen(end(digest), Exit.isSuccess(exit) ? Effect.void : withdraw(digest))
        ).pipe(Effect.tap(() => copy(digest))),
      forget: (digest) =>
        Effect.forEach(
          targetsOf(digest),
          (target) => exclusively(keyOf(digest, target), remove(keyOf(digest, target))),
          { discard: true }
        )
    }
  })
