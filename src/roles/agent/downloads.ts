// Downloads of an agent: the metainfo of a blob comes from a tracker (once), the agent stays in the swarm while a
// client wants the blob, bytes are delivered in order as their pieces are verified, and a download without progress
// ends with a reason. All clients of a blob share one download.
//
//   wanted -> metainfo (retried while trackers are away) -> in the swarm -> whole -> read from the store
//                 \ 404: BlobUnknown        \ stalled, no room, wrong content: PullFailed; a request starts again
//
// A blob that an origin is still receiving is downloaded by its arrival, as fast as it comes there. If it comes no
// more, the download ends with a reason like any other.
//
// Invariant: no byte of an unverified piece reaches a client. It knows no HTTP and no peer.

import { Data, Duration, Effect, Equal, Hash, Option, RcMap, Schedule, type Scope, Stream } from "effect"
import type { Micros } from "../../protocol/kit/time.ts"
import type { SwarmStatus } from "../../protocol/swarm/peer-host-io.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { isArrival, type SwarmInfo, type Torrent } from "../../protocol/wire/metainfo.ts"
import { AskLimits } from "../client/limits.ts"
import type { BlobUnknown, TrackerClient } from "../client/tracker-client.ts"
import { whileFetched } from "../client/upstreams.ts"
import type { BlobSelection } from "../oci/byte-range.ts"
import { type Announcer, trackerFailures } from "../peer/announcer.ts"
import { type OpenSwarm, SwarmBroken } from "../peer/open-swarm.ts"
import type { PeerEngine } from "../peer/peer-engine.ts"
import { readEach } from "../registry/multipart-ranges.ts"
import { atEnd, held } from "../scoped.ts"
import type { BlobMissing, BlobStore, BlobStoreError } from "../services/blob-store.ts"
import { toDuration } from "../services/clock.ts"
import { counterMetric, gaugeMetric, type RoleMetrics } from "../services/metrics.ts"
import { Timers } from "../services/timers.ts"
import { announceArrived, followArrival } from "./arriving-download.ts"
import { type DiskBudget, type DiskBudgetSpent, unboundedDisk } from "./disk-budget.ts"
import { AgentLimits } from "./limits.ts"
import { readPieces, windowsOfReader } from "./piece-reader.ts"
import { PullFailures } from "./pull-failures.ts"

/** The blob may exist, but could not be downloaded; `message` says which blob and why. */
class PullFailed extends Data.TaggedError("PullFailed")<{
  readonly digest: Digest
  /** "full" when the blob does not fit the disk budget of this host. */
  readonly reason?: "full"
  readonly message: string
}> {}

export type PullError = BlobUnknown | PullFailed

export interface Downloads {
  /** The blob's metainfo or arrival, and its swarm, from the store or a tracker; downloads nothing. */
  readonly torrent: (namespace: string, digest: Digest) => Effect.Effect<Torrent<SwarmInfo>, PullError>
  /** Fails if there is no room for the selection, for a caller that must know before the first byte. */
  readonly prepare: (
    namespace: string,
    digest: Digest,
    selection: BlobSelection
  ) => Effect.Effect<void, PullError>
  /** Forgets the download of a whole blob that is about to be removed. */
  readonly forget: (digest: Digest) => Effect.Effect<void>
  /** Succeeds when the whole blob is in the store. */
  readonly pull: (namespace: string, digest: Digest) => Effect.Effect<void, PullError>
  /**
   * The bytes of the selection's ranges, one range after another, as soon as they are verified. A selection that is
   * not whole fetches only the pieces that it touches, a few ahead. The end of the stream ends the demand. A chunk must
   * not be used any more when the next one is asked for, which may have its memory.
   */
  readonly read: (
    namespace: string,
    digest: Digest,
    selection: BlobSelection
  ) => Stream.Stream<Uint8Array, PullError>
}

/** Key of a shared download. It compares by digest alone: namespace and isWhole are those of the first client. */
class DownloadKey implements Equal.Equal {
  readonly namespace: string
  readonly digest: Digest
  readonly isWhole: boolean
  constructor(namespace: string, digest: Digest, isWhole: boolean) {
    this.namespace = namespace
    this.digest = digest
    this.isWhole = isWhole
  }
  [Equal.symbol](that: Equal.Equal): boolean {
    return that instanceof DownloadKey && that.digest === this.digest
  }
  [Hash.symbol](): number {
    return Hash.string(this.digest)
  }
}

export interface DownloadsOptions {
  readonly blobs: BlobStore
  readonly engine: PeerEngine
  readonly tracker: TrackerClient
  readonly announcer: Announcer
  readonly metrics: RoleMetrics
  /** Without it the disk is unbounded. */
  readonly disk?: DiskBudget
}

const downloadsUnderway = gaugeMetric("shoal_downloads_underway", {
  of: "agents",
  description: "Blobs that are being downloaded"
})

const firstBytes = counterMetric("shoal_cold_reads_total", {
  of: "agents",
  description: "Reads of blobs that were being downloaded, counted at their first byte"
})

const firstBytePieces = counterMetric("shoal_cold_read_pieces_total", {
  of: "agents",
  description: "Pieces of the blob that were stored at the first byte of such reads, added up"
})

export const makeDownloads = (
  options: DownloadsOptions
): Effect.Effect<Downloads, never, Timers | Scope.Scope> =>
  Effect.gen(function* () {
    const limits = yield* AgentLimits
    const underway = yield* RcMap.make({
      lookup: (key: DownloadKey) => downloads.join(key),
      idleTimeToLive: toDuration(limits.abandonedDownloadLinger)
    })
    const downloads: SharedDownloads = new SharedDownloads(
      options,
      yield* Timers,
      underway,
      limits,
      yield* AskLimits
    )
    return downloads
  })

/** Has methods instead of closures, because a simulation has one for each of thousands of agents. */
class SharedDownloads implements Downloads {
  readonly #options: DownloadsOptions
  readonly #disk: DiskBudget
  readonly #timers: Timers["Service"]
  readonly #trackerFailed: ReturnType<typeof trackerFailures>
  readonly #underway: RcMap.RcMap<DownloadKey, OpenSwarm, PullError>
  readonly #limits: AgentLimits
  readonly #asking: AskLimits
  readonly #failures: PullFailures
  #count = 0
  #readers = 0
  #firstBytes = 0
  #firstBytePieces = 0

  constructor(
    options: DownloadsOptions,
    timers: Timers["Service"],
    underway: RcMap.RcMap<DownloadKey, OpenSwarm, PullError>,
    limits: AgentLimits,
    asking: AskLimits
  ) {
    this.#options = options
    this.#disk = options.disk ?? unboundedDisk
    this.#timers = timers
    this.#trackerFailed = trackerFailures(options.metrics)
    this.#underway = underway
    this.#limits = limits
    this.#asking = asking
    this.#failures = new PullFailures(limits, timers)
    options.metrics.readGauge(downloadsUnderway, () => this.#count)
    options.metrics.readAll(() => [
      { metric: firstBytes, value: this.#firstBytes },
      { metric: firstBytePieces, value: this.#firstBytePieces }
    ])
  }

  torrent(namespace: string, digest: Digest): Effect.Effect<Torrent<SwarmInfo>, PullError> {
    return Effect.gen({ self: this }, function* () {
      const { blobs, tracker } = this.#options
      const kept = yield* Effect.mapError(blobs.metainfo(digest), storeFailed(digest))
      if (Option.isSome(kept)) return kept.value
      return yield* tracker.metainfo(namespace, digest).pipe(
        // An origin is fetching the blob; it delays this answer, so the retry needs no long pause.
        Effect.retry({
          while: (error) => error._tag === "BlobOnItsWay",
          schedule: whileFetched(this.#asking)
        }),
        Effect.tapError((error) =>
          Effect.sync(() => error._tag === "TrackerUnavailable" && this.#trackerFailed("metainfo")(1))
        ),
        Effect.retry({
          while: (error) => error._tag === "TrackerUnavailable",
          schedule: whileTrackersAreAway(this.#limits)
        }),
        Effect.mapError((error) =>
          error._tag === "BlobUnknown"
            ? error
            : new PullFailed({ digest, message: `no metainfo for ${digest}: ${error.message}` })
        ),
        Effect.tapError((error) =>
          error._tag === "PullFailed" ? this.#failures.tell(namespace, digest, error.message) : Effect.void
        )
      )
    })
  }

  prepare(namespace: string, digest: Digest, selection: BlobSelection): Effect.Effect<void, PullError> {
    if (this.#disk === unboundedDisk) return Effect.void
    return Effect.gen({ self: this }, function* () {
      yield* this.#disk.hold(digest)
      if (!(yield* this.#isWhole(digest))) yield* this.#keepRoom(namespace, digest, rangesOf(selection))
    }).pipe(Effect.scoped)
  }

  forget(digest: Digest): Effect.Effect<void> {
    return RcMap.invalidate(this.#underway, new DownloadKey("", digest, false))
  }

  pull(namespace: string, digest: Digest): Effect.Effect<void, PullError> {
    return Effect.gen({ self: this }, function* () {
      yield* this.#disk.hold(digest)
      if (yield* this.#isWhole(digest)) return yield* this.#options.announcer.used(digest)
      yield* this.#keepRoom(namespace, digest)
      const swarm = yield* RcMap.get(this.#underway, new DownloadKey(namespace, digest, true))
      yield* wantWhole(swarm)
      yield* Effect.mapError(swarm.completed, broken(digest))
    }).pipe(Effect.scoped, Effect.withSpan("download.pull", { attributes: { namespace, digest } }))
  }

  read(namespace: string, digest: Digest, selection: BlobSelection): Stream.Stream<Uint8Array, PullError> {
    return Stream.unwrap(
      Effect.gen({ self: this }, function* () {
        yield* this.#disk.hold(digest)
        if (yield* this.#isWhole(digest)) {
          const { announcer, blobs } = this.#options
          yield* announcer.used(digest)
          return readEach(selection, (start, end) => blobs.read(digest, start, end)).pipe(
            Stream.mapError(storeFailed(digest))
          )
        }
        yield* this.#keepRoom(namespace, digest, rangesOf(selection))
        const { isWhole } = selection
        const swarm = yield* RcMap.get(this.#underway, new DownloadKey(namespace, digest, isWhole))
        if (isWhole) yield* wantWhole(swarm)
        const reader = this.#readers
        this.#readers += windowsOfReader(this.#limits)
        return readPieces(swarm, reader, selection, this.#limits).pipe(
          // A piece that cannot be read breaks this response alone.
          Stream.tapError((error) =>
            error.reason === "storage"
              ? this.#failures.tell(namespace, digest, error.message, swarm)
              : Effect.void
          ),
          Stream.mapError(broken(digest)),
          Stream.onFirst(() =>
            Effect.sync(() => {
              this.#firstBytes++
              this.#firstBytePieces += swarm.have.count
            })
          )
        )
      })
    )
  }

  /** Starts a shared download; RcMap calls it for the first client. */
  join({ namespace, digest, isWhole }: DownloadKey): Effect.Effect<OpenSwarm, PullError, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const { engine, announcer } = this.#options
      this.#count++
      yield* atEnd(() => this.#count--)
      const { metainfo } = yield* this.torrent(namespace, digest)
      const opened = yield* Effect.mapError(
        engine.open(metainfo, { onDemand: !isWhole }),
        storeFailed(digest)
      )
      // Uses the store's metainfo from here on, so that the tracker's copy can be freed.
      yield* announcer.join({ swarm: opened.swarm, metainfo: opened.metainfo }, namespace, opened)
      yield* Effect.forkScoped(this.#watch(namespace, digest, opened))
      if (isArrival(opened.metainfo)) {
        const { arrivalCheckPause } = this.#limits
        yield* Effect.forkScoped(followArrival(this.#options.tracker, namespace, opened, arrivalCheckPause))
      }
      yield* this.#breakWhenStalled(opened)
      return opened
    }).pipe(Effect.withSpan("download.start", { attributes: { namespace, digest } }))
  }

  #breakWhenStalled(swarm: OpenSwarm): Effect.Effect<void, never, Scope.Scope> {
    const { stalledPullTimeout } = this.#limits
    let cancel: (() => void) | undefined
    const look = (): void => {
      if (swarm.have.isFull) return
      const patientUntil = swarm.lastProgress() + stalledPullTimeout
      if (this.#timers.now() < patientUntil) cancel = this.#timers.wakeAt(patientUntil, look)
      else swarm.breakWith(stalled(swarm.status(), stalledPullTimeout))
    }
    return held(look, () => cancel?.())
  }

  /**
   * Waits for the end: announces a completed download, forgets a failed one, so that the next client starts again.
   */
  #watch(namespace: string, digest: Digest, swarm: OpenSwarm): Effect.Effect<void> {
    const { announcer, blobs } = this.#options
    return swarm.completed.pipe(
      Effect.andThen(
        isArrival(swarm.metainfo)
          ? announceArrived(this.#options, namespace, swarm)
          : announcer.completed(swarm.swarm)
      ),
      Effect.catch((error) =>
        Effect.gen({ self: this }, function* () {
          if (error.reason === "content") {
            yield* Effect.logError("a download has the wrong content:", error)
            yield* Effect.catch(blobs.remove(digest), (failure) =>
              Effect.logError("cannot remove a download with the wrong content:", failure)
            )
          } else if (error.reason !== "closed")
            yield* this.#failures.tell(namespace, digest, error.message, swarm)
          yield* this.forget(digest)
        }).pipe(Effect.annotateLogs({ digest }))
      )
    )
  }

  #isWhole(digest: Digest): Effect.Effect<boolean, PullFailed> {
    const { blobs } = this.#options
    return Effect.mapError(Effect.map(blobs.stat(digest), Option.isSome), storeFailed(digest))
  }

  /** Reserves room for the ranges of the blob, or for all of it without `ranges`. */
  #keepRoom(
    namespace: string,
    digest: Digest,
    ranges?: BlobSelection["ranges"]
  ): Effect.Effect<void, PullError, Scope.Scope> {
    if (this.#disk === unboundedDisk) return Effect.void
    return Effect.gen({ self: this }, function* () {
      const { metainfo } = yield* this.torrent(namespace, digest)
      // Stored, so that the download does not ask for it again.
      yield* Effect.mapError(this.#options.blobs.putMetainfo(metainfo), storeFailed(digest))
      const { length } = metainfo
      const more = ranges === undefined ? length : bytesTouched(ranges, metainfo.pieceLength)
      yield* Effect.mapError(this.#disk.admit(digest, length, more), noRoom(digest))
    })
  }
}

const storeFailed =
  (digest: Digest) =>
  (error: BlobStoreError | BlobMissing): PullFailed =>
    new PullFailed({
      digest,
      message: error._tag === "BlobMissing" ? `${digest} was removed from the store` : error.message
    })

const broken =
  (digest: Digest) =>
  (error: SwarmBroken): PullFailed =>
    new PullFailed({ digest, message: `download of ${digest} ended: ${error.message}` })

const noRoom =
  (digest: Digest) =>
  (error: DiskBudgetSpent): PullFailed =>
    new PullFailed({ digest, reason: "full", message: error.message })

const wantWhole = (swarm: OpenSwarm): Effect.Effect<unknown, never, Scope.Scope> =>
  held(swarm.wantWhole, (withdraw) => withdraw())

const whileTrackersAreAway = (limits: AgentLimits) =>
  Schedule.exponential(toDuration(limits.minMetainfoRetryDelay)).pipe(
    Schedule.modifyDelay(({ duration }) =>
      Effect.succeed(Duration.min(duration, toDuration(limits.maxMetainfoRetryDelay)))
    ),
    Schedule.upTo({ duration: toDuration(limits.metainfoPatience) })
  )

const stalled = (status: SwarmStatus | undefined, after: Micros): SwarmBroken =>
  new SwarmBroken({
    reason: "stalled",
    message:
      `no piece arrived for ${after / 1_000_000} s (${status?.have ?? 0} of ` +
      `${status?.pieces ?? 0} pieces, ${status?.neighbours ?? 0} neighbours)`
  })

const rangesOf = ({ ranges, isWhole }: BlobSelection) => (isWhole ? undefined : ranges)

/** Bytes of the pieces that the ranges touch; a piece counts once for each range that touches it. */
const bytesTouched = (ranges: BlobSelection["ranges"], pieceLength: number): number =>
  ranges.reduce(
    (sum, { start, end }) =>
      sum + (Math.ceil(end / pieceLength) - Math.floor(start / pieceLength)) * pieceLength,
    0
  )
