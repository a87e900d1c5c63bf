// The own blob store of a proxy whose origins are elsewhere: uploads grow in it, and a pushed blob stays until it is
// forwarded to the origins.
//
// Invariant: a blob leaves the store only when nobody forwards it any more. What a crash left is removed at the next
// start, since no client was told of it.

import { Effect, Stream } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { OutgoingBlob } from "../client/blob-send.ts"
import type { UploadStore } from "../registry/upload-store.ts"
import type { BlobMissing, BlobStat, BlobStore, BlobStoreError } from "../services/blob-store.ts"

export interface PushedBlobs {
  readonly uploads: UploadStore
  /**
   * Runs `send` with the blob, which is removed when the last of those that send it has ended. None where uploads grow
   * at an origin, which makes a committed blob durable in the cluster itself.
   */
  readonly forward:
    | (<A, E, R>(
        stat: BlobStat,
        send: (blob: OutgoingBlob<BlobMissing | BlobStoreError>) => Effect.Effect<A, E, R>
      ) => Effect.Effect<A, E, R>)
    | undefined
}

export const makeForwardedBlobs = (blobs: BlobStore): Effect.Effect<PushedBlobs, BlobStoreError> =>
  Effect.gen(function* () {
    /** Number of requests that forward each blob now. */
    const forwarded = new Map<Digest, number>()
    for (const { digest } of yield* blobs.list) yield* blobs.remove(digest)

    const hold = (digest: Digest) =>
      Effect.sync(() => forwarded.set(digest, (forwarded.get(digest) ?? 0) + 1))

    const release = (digest: Digest) =>
      Effect.suspend(() => {
        const others = forwarded.get(digest)! - 1
        if (others > 0) {
          forwarded.set(digest, others)
          return Effect.void
        }
        forwarded.delete(digest)
        return Effect.catch(blobs.remove(digest), (error) =>
          Effect.annotateLogs(
            Effect.logWarning("a blob stays in the proxy's store until the next start:", error.message),
            { digest }
          )
        )
      })

    return {
      uploads: blobs,
      forward: ({ digest, length }, send) =>
        Effect.acquireUseRelease(
          hold(digest),
          () => send({ length, bytes: Stream.suspend(() => blobs.read(digest, 0, length)) }),
          () => release(digest)
        )
    }
  })
