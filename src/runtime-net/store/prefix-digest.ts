// The whole digest of a download, known soon after the last piece although pieces arrive in any order. The digest
// follows the front of the blob: it takes a piece from memory when it is next, and from disk when the front reaches
// pieces that arrived earlier. One piece is hashed at a time, and the event loop turns between two.
//
//   resting --next piece is there--> reading --hashed, next is there--> reading --next is missing--> resting
//   any --read error--> failed            resting, all hashed: finished

import type { Digest, DigestAlgorithm } from "../../protocol/wire/digest.ts"
import type { BlobStoreError } from "../../roles/services/blob-store.ts"
import { runningDigest } from "../platform/node-digests.ts"

export type DigestOutcome =
  | { readonly tag: "Digest"; readonly digest: Digest }
  | { readonly tag: "Failed"; readonly error: BlobStoreError }

export interface PrefixDigest {
  /** A piece was stored, and its bytes are still in memory. */
  readonly stored: (piece: number, bytes: Uint8Array) => void
  /** Reports the whole digest once every piece is stored and hashed, never from inside this call. */
  readonly whenFinished: (done: (outcome: DigestOutcome) => void) => void
}

export interface PrefixDigestSource {
  readonly algorithm: DigestAlgorithm
  readonly pieces: number
  readonly has: (piece: number) => boolean
  /**
   * Reads a stored piece. Answers later, never from inside the call; the bytes are not used any more when the answer
   * returns.
   */
  readonly read: (piece: number, done: (bytes: Uint8Array | BlobStoreError) => void) => void
}

export const makePrefixDigest = (source: PrefixDigestSource): PrefixDigest => {
  const running = runningDigest(source.algorithm)
  let next = 0
  let reading = false
  let outcome: DigestOutcome | undefined
  let waiters: Array<(outcome: DigestOutcome) => void> = []

  const finish = (result: DigestOutcome): void => {
    outcome = result
    const woken = waiters
    waiters = []
    setImmediate(() => {
      for (const wake of woken) wake(result)
    })
  }

  const take = (bytes: Uint8Array): void => {
    running.update(bytes)
    next++
  }

  const advance = (): void => {
    if (reading || outcome !== undefined) return
    if (next === source.pieces) {
      finish({ tag: "Digest", digest: running.finish() })
      return
    }
    if (!source.has(next)) return
    reading = true
    source.read(next, (bytes) => {
      reading = false
      if (bytes instanceof Uint8Array) {
        take(bytes)
        advance()
      } else finish({ tag: "Failed", error: bytes })
    })
  }

  return {
    stored: (piece, bytes) => {
      if (piece === next && !reading && outcome === undefined) take(bytes)
      advance()
    },
    whenFinished: (done) => {
      waiters.push(done)
      if (outcome === undefined) advance()
      else finish(outcome)
    }
  }
}
