// Decides how an agent comes to have a blob: the metainfo from a tracker (once), a place in the swarm for as long as
// someone wants the blob, bytes handed on in order as their pieces are verified, and an end with a reason when nothing
// moves. Every client of the same blob shares one download.
//
//   wanted -> metainfo (retried while trackers are away) -> in the swarm -> whole -> read from the store
//                 \ 404: BlobUnknown        \ stalled, no room, wrong content: PullFailed; the next wish starts afresh
//
// Invariant: nobody is given a byte of a piece that was not verified. It knows no HTTP and no peer.

import { Data, Duration, Effect, Equal, Hash, Option, RcMap, Schedule, type Scope, Stream } from "effect"
import type { Digest } from "../protocol/digest.ts"
import { invariant } from "../protocol/invariant.ts"
import { limits } from "../protocol/limits.ts"
import type { Torrent } from "../protocol/metainfo.ts"
import type { Payload } from "../protocol/payload.ts"
import { type Announcer, trackerFailures } from "./announcer.ts"
import type { RoleMetrics } from "./metrics.ts"
import { type OpenSwarm, SwarmBroken } from "./open-swarm.ts"
import type { PeerEngine } from "./peer-engine.ts"
import type { BlobMissing, BlobStore, BlobStoreError } from "./services/blob-store.ts"
import { Timers } from "./services/timers.ts"
import type { BlobUnknown, TrackerClient } from "./tracker-client.ts"
import { toDuration } from "./upstreams.ts"

/** It may exist, but could not be had; `message` says why and what of. */
export class PullFailed extends Data.TaggedError("PullFailed")<{
  readonly digest: Digest
  readonly message: string
}> {}

export type PullError = BlobUnknown | PullFailed

export interface Downloads {
  /** What the blob is made of, from the store or a tracker; downloads nothing. */
  readonly torrent: (namespace: string, digest: Digest) => Effect.Effect<Torrent, PullError>
  /** Returns when the whole blob is in the store. */
  readonly pull: (namespace: string, digest: Digest) => Effect.Effect<void, PullError>
  /** Bytes [start, end) of the blob, each as soon as it is verified. Ending the stream withdraws the wish. */
  readonly read: (
    namespace: string,
    digest: Digest,
    start: number,
    end: number
  ) => Stream.Stream<Uint8Array, PullError>
}

/** A blob wanted for a namespace: the same download whichever namespace asked first. */
class Wish implements Equal.Equal {
  readonly namespace: string
  readonly digest: Digest
  constructor(namespace: string, digest: Digest) {
    this.namespace = namespace
    this.digest = digest
  }
  [Equal.symbol](that: Equal.Equal): boolean {
    return that instanceof Wish && that.digest === this.digest
  }
  [Hash.symbol](): number {
    return Hash.string(this.digest)
  }
}

export const makeDownloads = (options: {
  readonly blobs: BlobStore
  readonly engine: PeerEngine
  readonly tracker: TrackerClient
  readonly announcer: Announcer
  readonly metrics: RoleMetrics
}): Effect.Effect<Downloads, never, Timers | Scope.Scope> =>
  Effect.gen(function* () {
    const { blobs, engine, tracker, announcer } = options
    const timers = yield* Timers
    let underway = 0
    let readers = 0
    const trackerFailed = trackerFailures(options.metrics)
    options.metrics.readGauge("shoal_downloads_underway", "Blobs being downloaded", () => underway)

    const storeFailed = (digest: Digest) => (error: BlobStoreError | BlobMissing) =>
      new PullFailed({ digest, message: "message" in error ? error.message : `${digest} left the store` })
    const broken = (digest: Digest) => (error: SwarmBroken) =>
      new PullFailed({ digest, message: `download of ${digest} ended: ${error.message}` })

    const torrent = (namespace: string, digest: Digest): Effect.Effect<Torrent, PullError> =>
      Effect.gen(function* () {
        const kept = yield* Effect.mapError(blobs.metainfo(digest), storeFailed(digest))
        if (Option.isSome(kept)) return kept.value
        return yield* tracker.metainfo(namespace, digest).pipe(
          Effect.tapError((error) =>
            Effect.sync(() => error._tag === "TrackerUnavailable" && trackerFailed("metainfo")(1))
          ),
          Effect.retry({
            while: (error) => error._tag === "TrackerUnavailable",
            schedule: Schedule.exponential(Duration.millis(100)).pipe(
              Schedule.modifyDelay(({ duration }) =>
                Effect.succeed(Duration.min(duration, Duration.seconds(2)))
              ),
              Schedule.upTo({ duration: toDuration(limits.metainfoPatience) })
            )
          }),
          Effect.mapError((error) =>
            error._tag === "BlobUnknown"
              ? error
              : new PullFailed({ digest, message: `no metainfo for ${digest}: ${error.message}` })
          )
        )
      })

    const join = (wish: Wish): Effect.Effect<OpenSwarm, PullError, Scope.Scope> =>
      Effect.gen(function* () {
        const { namespace, digest } = wish
        underway++
        yield* Effect.addFinalizer(() => Effect.sync(() => underway--))
        const found = yield* torrent(namespace, digest)
        const swarm = yield* Effect.mapError(engine.open(found.metainfo), storeFailed(digest))
        yield* announcer.join(found, namespace, swarm)
        yield* Effect.forkScoped(watch(wish, swarm))
        yield* Effect.forkScoped(breakWhenStalled(swarm))
        return swarm
      })

    const breakWhenStalled = (swarm: OpenSwarm): Effect.Effect<void> =>
      Effect.gen(function* () {
        for (;;) {
          const waited = timers.now() - swarm.lastProgress()
          if (swarm.have.isFull) return
          if (waited >= limits.stalledPullTimeout) break
          yield* Effect.sleep(Duration.millis(Math.ceil((limits.stalledPullTimeout - waited) / 1_000)))
        }
        const status = swarm.status()
        swarm.breakWith(
          new SwarmBroken({
            reason: "stalled",
            message:
              `no piece came for ${limits.stalledPullTimeout / 1_000_000} s (${status?.have ?? 0} of ` +
              `${status?.pieces ?? 0} pieces, ${status?.neighbours ?? 0} neighbours)`
          })
        )
      })

    /** The end of a download: told to the tracker, or forgotten so that the next wish starts afresh. */
    const watch = (wish: Wish, swarm: OpenSwarm): Effect.Effect<void> =>
      swarm.completed.pipe(
        Effect.andThen(announcer.completed(swarm.swarm)),
        Effect.catch((error) =>
          Effect.gen(function* () {
            if (error.reason === "content") {
              yield* Effect.logError(`${wish.digest}: ${error.message}`)
              yield* Effect.catch(blobs.remove(wish.digest), (failure) =>
                Effect.logError(`${wish.digest} cannot be dropped: ${failure.message}`)
              )
            }
            yield* RcMap.invalidate(underwayMap, wish)
          })
        )
      )

    const underwayMap = yield* RcMap.make({
      lookup: join,
      idleTimeToLive: toDuration(limits.abandonedDownloadLinger)
    })

    const isWhole = (digest: Digest) =>
      Effect.mapError(Effect.map(blobs.stat(digest), Option.isSome), storeFailed(digest))

    const pull = (namespace: string, digest: Digest): Effect.Effect<void, PullError> =>
      Effect.gen(function* () {
        if (yield* isWhole(digest)) return
        const swarm = yield* RcMap.get(underwayMap, new Wish(namespace, digest))
        yield* Effect.mapError(swarm.completed, broken(digest))
      }).pipe(Effect.scoped)

    const read = (
      namespace: string,
      digest: Digest,
      start: number,
      end: number
    ): Stream.Stream<Uint8Array, PullError> =>
      Stream.unwrap(
        Effect.gen(function* () {
          if (yield* isWhole(digest)) {
            return Stream.mapError(blobs.read(digest, start, end), storeFailed(digest))
          }
          const swarm = yield* RcMap.get(underwayMap, new Wish(namespace, digest))
          const reader = ++readers
          yield* Effect.addFinalizer(() => Effect.sync(() => swarm.readAhead(reader, undefined)))
          return Stream.mapError(readInOrder(swarm, reader, start, end), broken(digest))
        })
      )

    return { torrent, pull, read }
  })

/**
 * Bytes [start, end) piece by piece: waits for each, moves the reader's window along, loads, cuts. Of a whole blob the
 * last piece is held back until the whole digest was checked, so that a response can still be aborted.
 */
const readInOrder = (
  swarm: OpenSwarm,
  reader: number,
  start: number,
  end: number
): Stream.Stream<Uint8Array, SwarmBroken> => {
  const { pieceLength } = swarm.metainfo
  const endPiece = Math.ceil(end / pieceLength)
  const isWhole = start === 0 && end === swarm.metainfo.length
  return Stream.unfold(start, (offset) => {
    if (offset >= end) return Effect.succeed(undefined)
    const piece = Math.floor(offset / pieceLength)
    const checked = isWhole && piece === endPiece - 1 ? swarm.completed : Effect.void
    const loaded = Effect.andThen(checked, loadWhenStored(swarm, reader, piece, endPiece))
    return Effect.map(loaded, (payload) => {
      invariant(payload instanceof Uint8Array, "a symbolic payload has no bytes to serve")
      const from = offset - piece * pieceLength
      const chunk = payload.subarray(from, Math.min(payload.byteLength, from + (end - offset)))
      return [chunk, offset + chunk.byteLength] as const
    })
  })
}

const loadWhenStored = (
  swarm: OpenSwarm,
  reader: number,
  piece: number,
  endPiece: number
): Effect.Effect<Payload, SwarmBroken> =>
  Effect.callback((resume) => {
    if (!swarm.have.isFull) {
      swarm.readAhead(reader, { first: piece, end: Math.min(endPiece, piece + limits.readAheadPieces) })
    }
    const cancel = swarm.whenStored(
      piece,
      () =>
        swarm.load(piece, (outcome) =>
          resume(
            outcome.tag === "Loaded"
              ? Effect.succeed(outcome.payload)
              : Effect.fail(new SwarmBroken({ reason: "storage", message: outcome.error.message }))
          )
        ),
      (why) => resume(Effect.fail(why))
    )
    return Effect.sync(cancel)
  })
