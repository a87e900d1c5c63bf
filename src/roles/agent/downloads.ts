// Decides how an agent comes to have a blob: the metainfo from a tracker (once), a place in the swarm for as long as
// someone wants the blob, bytes handed on in order as their pieces are verified, and an end with a reason when nothing
// moves. Every client of the same blob shares one download.
//
//   wanted -> metainfo (retried while trackers are away) -> in the swarm -> whole -> read from the store
//                 \ 404: BlobUnknown        \ stalled, no room, wrong content: PullFailed; the next wish starts afresh
//
// Invariant: nobody is given a byte of a piece that was not verified. It knows no HTTP and no peer.

import { Data, Duration, Effect, Equal, Hash, Option, RcMap, Schedule, type Scope, Stream } from "effect"
import type { Digest } from "../../protocol/digest.ts"
import { limits } from "../../protocol/limits.ts"
import type { Torrent } from "../../protocol/metainfo.ts"
import type { SwarmStatus } from "../../protocol/peer-host-io.ts"
import { type Announcer, trackerFailures } from "../peer/announcer.ts"
import { type DiskBudget, type DiskBudgetSpent, unboundedDisk } from "./disk-budget.ts"
import type { RoleMetrics } from "../metrics.ts"
import { type OpenSwarm, SwarmBroken } from "../peer/open-swarm.ts"
import type { PeerEngine } from "../peer/peer-engine.ts"
import { readPieces, windowsOfReader } from "./piece-reader.ts"
import type { BlobSelection } from "../registry/byte-range.ts"
import { readEach } from "../registry/multipart-ranges.ts"
import { atEnd, held } from "../scoped.ts"
import type { BlobMissing, BlobStore, BlobStoreError } from "../services/blob-store.ts"
import { Timers } from "../services/timers.ts"
import type { BlobUnknown, TrackerClient } from "../tracker/tracker-client.ts"
import { toDuration, whileFetched } from "../http/upstreams.ts"

/** It may exist, but could not be had; `message` says why and what of. */
export class PullFailed extends Data.TaggedError("PullFailed")<{
  readonly digest: Digest
  /** "full" when it does not fit this host's disk budget. */
  readonly reason?: "full"
  readonly message: string
}> {}

export type PullError = BlobUnknown | PullFailed

export interface Downloads {
  /** What the blob is made of, from the store or a tracker; downloads nothing. */
  readonly torrent: (namespace: string, digest: Digest) => Effect.Effect<Torrent, PullError>
  /** Fails now if there is no room for what will be read: for who must know before the first byte. */
  readonly prepare: (
    namespace: string,
    digest: Digest,
    selection: BlobSelection
  ) => Effect.Effect<void, PullError>
  /** A whole blob is to be removed: what still remembers its download forgets it. */
  readonly forget: (digest: Digest) => Effect.Effect<void>
  /** Returns when the whole blob is in the store. */
  readonly pull: (namespace: string, digest: Digest) => Effect.Effect<void, PullError>
  /**
   * The bytes of the selection's ranges, one after another, each as soon as it is verified. A selection that is not
   * whole fetches only what it touches, a few pieces ahead. Ending the stream withdraws the wish.
   */
  readonly read: (
    namespace: string,
    digest: Digest,
    selection: BlobSelection
  ) => Stream.Stream<Uint8Array, PullError>
}

/** A blob wanted for a namespace: the same download whichever namespace asked first, for whatever part. */
class Wish implements Equal.Equal {
  readonly namespace: string
  readonly digest: Digest
  readonly isWhole: boolean
  constructor(namespace: string, digest: Digest, isWhole: boolean) {
    this.namespace = namespace
    this.digest = digest
    this.isWhole = isWhole
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
  /** Absent: the disk is not bounded. */
  readonly disk?: DiskBudget
}): Effect.Effect<Downloads, never, Timers | Scope.Scope> =>
  Effect.gen(function* () {
    const { blobs, engine, tracker, announcer, disk = unboundedDisk } = options
    const timers = yield* Timers
    let underway = 0
    let readers = 0
    const trackerFailed = trackerFailures(options.metrics)
    options.metrics.readGauge("shoal_downloads_underway", "Blobs being downloaded", () => underway)

    const storeFailed = (digest: Digest) => (error: BlobStoreError | BlobMissing) =>
      new PullFailed({ digest, message: "message" in error ? error.message : `${digest} left the store` })
    const broken = (digest: Digest) => (error: SwarmBroken) =>
      new PullFailed({ digest, message: `download of ${digest} ended: ${error.message}` })

    const noRoom = (digest: Digest) => (error: DiskBudgetSpent) =>
      new PullFailed({ digest, reason: "full", message: error.message })

    const torrent = (namespace: string, digest: Digest): Effect.Effect<Torrent, PullError> =>
      Effect.gen(function* () {
        const kept = yield* Effect.mapError(blobs.metainfo(digest), storeFailed(digest))
        if (Option.isSome(kept)) return kept.value
        return yield* tracker.metainfo(namespace, digest).pipe(
          // An origin is fetching it, and makes whoever asks wait a while before it says so.
          Effect.retry({
            while: (error) => error._tag === "BlobOnItsWay",
            schedule: whileFetched
          }),
          Effect.tapError((error) =>
            Effect.sync(() => error._tag === "TrackerUnavailable" && trackerFailed("metainfo")(1))
          ),
          Effect.retry({
            while: (error) => error._tag === "TrackerUnavailable",
            schedule: whileTrackersAreAway
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
        yield* atEnd(() => underway--)
        const found = yield* torrent(namespace, digest)
        const swarm = yield* Effect.mapError(
          engine.open(found.metainfo, { onDemand: !wish.isWhole }),
          storeFailed(digest)
        )
        yield* announcer.join(found, namespace, swarm)
        yield* Effect.forkScoped(watch(wish, swarm))
        yield* breakWhenStalled(swarm)
        return swarm
      })

    const breakWhenStalled = (swarm: OpenSwarm): Effect.Effect<void, never, Scope.Scope> => {
      let cancel: (() => void) | undefined
      const look = (): void => {
        if (swarm.have.isFull) return
        const patientUntil = swarm.lastProgress() + limits.stalledPullTimeout
        if (timers.now() < patientUntil) cancel = timers.wakeAt(patientUntil, look)
        else swarm.breakWith(stalled(swarm.status()))
      }
      return held(look, () => cancel?.())
    }

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

    const wantWhole = (swarm: OpenSwarm) => held(swarm.wantWhole, (withdraw) => withdraw())

    /** Keeps room for what is wanted of the blob; `ranges` absent: all of it. */
    const keepRoom = (
      namespace: string,
      digest: Digest,
      ranges?: BlobSelection["ranges"]
    ): Effect.Effect<void, PullError, Scope.Scope> =>
      disk === unboundedDisk
        ? Effect.void
        : Effect.gen(function* () {
            const { metainfo } = yield* torrent(namespace, digest)
            // Kept, so that it is not asked for again when the download begins.
            yield* Effect.mapError(blobs.putMetainfo(metainfo), storeFailed(digest))
            const { length } = metainfo
            const more = ranges === undefined ? length : bytesTouched(ranges, metainfo.pieceLength)
            yield* Effect.mapError(disk.admit(digest, length, more), noRoom(digest))
          })

    const prepare = (namespace: string, digest: Digest, selection: BlobSelection) =>
      disk === unboundedDisk
        ? Effect.void
        : Effect.gen(function* () {
            yield* disk.hold(digest)
            if (!(yield* isWhole(digest))) yield* keepRoom(namespace, digest, rangesOf(selection))
          }).pipe(Effect.scoped)

    const pull = (namespace: string, digest: Digest): Effect.Effect<void, PullError> =>
      Effect.gen(function* () {
        yield* disk.hold(digest)
        if (yield* isWhole(digest)) return
        yield* keepRoom(namespace, digest)
        const swarm = yield* RcMap.get(underwayMap, new Wish(namespace, digest, true))
        yield* wantWhole(swarm)
        yield* Effect.mapError(swarm.completed, broken(digest))
      }).pipe(Effect.scoped)

    const read = (
      namespace: string,
      digest: Digest,
      selection: BlobSelection
    ): Stream.Stream<Uint8Array, PullError> =>
      Stream.unwrap(
        Effect.gen(function* () {
          yield* disk.hold(digest)
          if (yield* isWhole(digest)) {
            return readEach(selection, (start, end) => blobs.read(digest, start, end)).pipe(
              Stream.mapError(storeFailed(digest))
            )
          }
          yield* keepRoom(namespace, digest, rangesOf(selection))
          const swarm = yield* RcMap.get(underwayMap, new Wish(namespace, digest, selection.isWhole))
          if (selection.isWhole) yield* wantWhole(swarm)
          const reader = readers
          readers += windowsOfReader
          return Stream.mapError(readPieces(swarm, reader, selection), broken(digest))
        })
      )

    const forget = (digest: Digest) => RcMap.invalidate(underwayMap, new Wish("", digest, false))

    return { torrent, prepare, forget, pull, read }
  })

const whileTrackersAreAway = Schedule.exponential(Duration.millis(100)).pipe(
  Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, Duration.seconds(2)))),
  Schedule.upTo({ duration: toDuration(limits.metainfoPatience) })
)

const stalled = (status: SwarmStatus | undefined): SwarmBroken =>
  new SwarmBroken({
    reason: "stalled",
    message:
      `no piece came for ${limits.stalledPullTimeout / 1_000_000} s (${status?.have ?? 0} of ` +
      `${status?.pieces ?? 0} pieces, ${status?.neighbours ?? 0} neighbours)`
  })

const rangesOf = ({ ranges, isWhole }: BlobSelection) => (isWhole ? undefined : ranges)

/** Bytes of the pieces that the ranges touch; those that touch a piece together count it each. */
const bytesTouched = (ranges: BlobSelection["ranges"], pieceLength: number): number =>
  ranges.reduce(
    (sum, { start, end }) =>
      sum + (Math.ceil(end / pieceLength) - Math.floor(start / pieceLength)) * pieceLength,
    0
  )
