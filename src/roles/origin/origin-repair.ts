// Finds or makes the metainfo that an origin should have: its own, else that of another owner, else, for a blob that
// is complete here, a new one. A blob that it owns but lacks is fetched from the owner that has it, in the
// background: the requester already has its answer.
//
// Invariants: metainfo is made only when no other owner that answers has some, so that all owners seed one swarm; at
// most maxParallelRepairs blobs are fetched at once, each once.

import { Cache, Effect, FiberMap, Option, type Scope, Semaphore } from "effect"
import { ringOwners } from "../../protocol/kit/hash-ring.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { choosePieceLength, isArrival, type Metainfo } from "../../protocol/wire/metainfo.ts"
import { askMetainfo } from "../client/ask-metainfo.ts"
import { BlobOnItsWay } from "../client/origin-errors.ts"
import { readFromOrigins } from "../client/origin-read.ts"
import type { UpstreamFailed, Upstreams } from "../client/upstreams.ts"
import { BlobMissing, type BlobStore, type BlobStoreError } from "../services/blob-store.ts"
import { OriginLimits } from "./limits.ts"

export interface OriginRepair {
  /** The metainfo of a blob that is complete here. */
  readonly completed: (digest: Digest) => Effect.Effect<Metainfo, BlobStoreError | BlobMissing>
  /**
   * Another owner asked for metainfo that this origin does not have: if the blob is complete here (from a store of
   * version 1, or after a crash), its metainfo is made in the background.
   */
  readonly missed: (digest: Digest) => Effect.Effect<void, BlobStoreError>
  /** The metainfo of a blob that this origin or another owner has. */
  readonly metainfo: (
    namespace: string,
    digest: Digest
  ) => Effect.Effect<Option.Option<Metainfo>, BlobStoreError | BlobMissing>
}

export interface RepairOptions {
  readonly blobs: BlobStore
  readonly receive: BlobStore["receive"]
  readonly upstreams: Upstreams
  readonly members: ReadonlyArray<string>
  readonly self: string
}

interface Offer {
  readonly url: string
  readonly metainfo: Metainfo
}

export const makeOriginRepair = (options: RepairOptions): Effect.Effect<OriginRepair, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { blobs, receive, upstreams, members, self } = options
    const { maxParallelRepairs, maxQueuedRepairs } = yield* OriginLimits
    const repairs = yield* FiberMap.make<Digest>()
    const atOnce = yield* Semaphore.make(maxParallelRepairs)

    const ownersOf = (digest: Digest) => ringOwners(digest, members, upstreams.limits.originReplicas)

    const offerOf = (url: string, digest: Digest): Effect.Effect<Option.Option<Offer>, UpstreamFailed> =>
      Effect.map(
        askMetainfo(upstreams, url, { tag: "OwnMetainfo", digest }, upstreams.limits.askTimeout),
        Option.flatMap((found) =>
          found instanceof BlobOnItsWay || isArrival(found.metainfo)
            ? Option.none()
            : Option.some({ url, metainfo: found.metainfo })
        )
      )

    /** The copy of another owner. Owners that do not answer are skipped; they can repair themselves later. */
    const offered = (digest: Digest): Effect.Effect<Option.Option<Offer>> =>
      Effect.map(
        upstreams.search(
          ownersOf(digest).filter((url) => url !== self),
          (url) => offerOf(url, digest)
        ),
        ({ found }) => found
      )

    const fetchFrom = (namespace: string, offer: Offer): Effect.Effect<void> => {
      const { digest, length } = offer.metainfo
      const order = [offer.url]
      return receive(
        digest,
        readFromOrigins({ upstreams, order, namespace, digest, start: 0, end: length })
      ).pipe(
        Effect.andThen(blobs.makeMetainfo(digest, offer.metainfo.pieceLength)),
        Effect.andThen(Effect.logInfo("repaired a blob by a copy from another owner")),
        Effect.catch((error) =>
          Effect.logWarning("a blob could not be copied from another owner:", error._tag, error.message)
        ),
        atOnce.withPermits(1),
        Effect.asVoid,
        Effect.annotateLogs({ digest, from: offer.url }),
        Effect.withSpan("origin.repair", { attributes: { digest, from: offer.url } })
      )
    }

    /** The metainfo of a blob that is complete here: stored, another owner's, or made. One at a time per blob. */
    const completed = yield* Cache.makeWith(
      (digest: Digest): Effect.Effect<Metainfo, BlobStoreError | BlobMissing> =>
        Effect.gen(function* () {
          const own = yield* blobs.metainfo(digest)
          if (Option.isSome(own)) return own.value.metainfo
          const offer = yield* offered(digest)
          const stat = yield* blobs.stat(digest)
          if (Option.isNone(stat)) return yield* new BlobMissing({ digest })
          const pieceLength = Option.match(offer, {
            onNone: () => choosePieceLength(stat.value.length),
            onSome: ({ metainfo }) => metainfo.pieceLength
          })
          return (yield* blobs.makeMetainfo(digest, pieceLength)).metainfo
        }),
      { capacity: Number.POSITIVE_INFINITY, timeToLive: () => 0 }
    )

    const startFetch = (namespace: string, digest: Digest, offer: Offer) =>
      Effect.gen(function* () {
        if (!ownersOf(digest).includes(self)) return
        if ((yield* FiberMap.size(repairs)) >= maxQueuedRepairs) {
          return yield* Effect.logWarning("a blob is not repaired now: too many others wait").pipe(
            Effect.annotateLogs({ digest, waiting: maxQueuedRepairs })
          )
        }
        yield* FiberMap.run(repairs, digest, fetchFrom(namespace, offer), { onlyIfMissing: true })
      })

    return {
      completed: (digest) => Cache.get(completed, digest),
      missed: (digest) =>
        Effect.gen(function* () {
          const stat = yield* blobs.stat(digest)
          if (Option.isNone(stat) || (yield* FiberMap.size(repairs)) >= maxQueuedRepairs) return
          const make = blobs.makeMetainfo(digest, choosePieceLength(stat.value.length)).pipe(
            Effect.catch((error) =>
              Effect.logWarning("the hash tree of a blob could not be made:", error._tag)
            ),
            atOnce.withPermits(1),
            Effect.asVoid,
            Effect.annotateLogs({ digest }),
            Effect.withSpan("origin.hash", { attributes: { digest } })
          )
          yield* FiberMap.run(repairs, digest, make, { onlyIfMissing: true })
        }),
      metainfo: (namespace, digest) =>
        Effect.gen(function* () {
          if (Option.isSome(yield* blobs.stat(digest)))
            return Option.some(yield* Cache.get(completed, digest))
          const offer = yield* offered(digest)
          if (Option.isNone(offer)) return Option.none()
          yield* startFetch(namespace, digest, offer.value)
          return Option.some(offer.value.metainfo)
        })
    }
  })
