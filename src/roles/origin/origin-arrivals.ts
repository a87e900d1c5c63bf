// Receives a blob of which the length is known, and serves each piece from the moment at which it is here. Until the
// blob is whole it has no metainfo; meanwhile its arrival is given out instead (protocol/wire/vouched-hashes.ts).
//
//   received --piece by piece--> complete in the swarm --whole digest right--> a blob with metainfo
//      \ the sender breaks off, or has another length; the digest is wrong: the swarm ends, and nothing is kept; it
//        has been received nevertheless if the blob came here by another way meanwhile
//
// Invariants: bytes become a blob only by their digest; at most two pieces of an arrival are in memory on their way to
// the disk, and one more is being filled. It does not know where the bytes come from.

import { Data, Deferred, Effect, Option, type Scope, Stream } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import { type Arrival, choosePieceLength, pieceSize } from "../../protocol/wire/metainfo.ts"
import type { SwarmBroken } from "../peer/open-swarm.ts"
import type { PeerEngine } from "../peer/peer-engine.ts"
import type { BlobStore, BlobStoreError } from "../services/blob-store.ts"

/** The sender sent more or fewer bytes than it said. */
export class LengthWrong extends Data.TaggedError("LengthWrong")<{ readonly message: string }> {}

export interface OriginArrivals {
  /** Receives the bytes. `began` runs once pieces can be downloaded; what it acquires is released at the end. */
  readonly receive: <E>(
    digest: Digest,
    length: number,
    bytes: Stream.Stream<Uint8Array, E>,
    began: (arrival: Arrival) => Effect.Effect<void, never, Scope.Scope>
  ) => Effect.Effect<void, E | LengthWrong | SwarmBroken | BlobStoreError>
}

export const makeOriginArrivals = (blobs: BlobStore, engine: PeerEngine): OriginArrivals => ({
  receive: (digest, length, bytes, began) => {
    const blob = { digest, length, pieceLength: choosePieceLength(length) }
    return Effect.gen(function* () {
      const swarm = yield* engine.openArrival(blob)
      yield* began(swarm.arrival)
      let piece = 0
      let at = 0
      let filling = new Uint8Array(pieceSize(blob, 0))
      let filled = 0
      /** The put of the piece before, which is perhaps not done. */
      let before: Effect.Effect<void, BlobStoreError> = Effect.void

      const put = Effect.gen(function* () {
        yield* before
        const done = yield* Deferred.make<void, BlobStoreError>()
        before = Deferred.await(done)
        yield* Effect.forkScoped(Deferred.into(swarm.put(piece, filling), done))
        piece++
        filled = 0
        if (at < length) filling = new Uint8Array(pieceSize(blob, piece))
      })

      const take = (chunk: Uint8Array) =>
        Effect.gen(function* () {
          if (at + chunk.byteLength > length) return yield* wrongLength(digest, length, "more")
          for (let from = 0; from < chunk.byteLength; ) {
            const part = chunk.subarray(from, from + filling.byteLength - filled)
            filling.set(part, filled)
            filled += part.byteLength
            from += part.byteLength
            at += part.byteLength
            if (filled === filling.byteLength) yield* put
          }
        })

      yield* Stream.runForEach(bytes, take)
      if (at < length) return yield* wrongLength(digest, length, "fewer")
      yield* before
      yield* swarm.completed
    }).pipe(
      Effect.scoped,
      // A blob that came here by another way meanwhile is what was wanted. Without one, what is left has no digest.
      Effect.catch((error) =>
        Effect.matchEffect(blobs.stat(digest), {
          onFailure: () => Effect.fail(error),
          onSuccess: (found) =>
            Option.isSome(found)
              ? Effect.void
              : Effect.andThen(Effect.ignore(blobs.removeDownload(digest)), Effect.fail(error))
        })
      )
    )
  }
})

const wrongLength = (digest: Digest, length: number, which: "more" | "fewer"): LengthWrong =>
  new LengthWrong({ message: `${which} than the ${length} bytes of ${digest} came, which were announced` })
