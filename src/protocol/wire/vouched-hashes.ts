// The hashes of the pieces of a blob that an origin is still receiving. There is no root to prove them yet, so the
// origin signs the hash of each piece as it comes, with a key that it made for this arrival and that is in the name of
// its swarm (metainfo.ts). The signature travels in front of the piece where a proof would, from any peer that has the
// piece.
//
// Invariants: only the key is trusted; a hash is kept with the signature that vouched for it. A signature says nothing
// about the whole: only the digest does, in the end. It does not know how a signature is made or checked: callers bring
// Ed25519.

import { invariant } from "../kit/invariant.ts"
import { hashBytes, type TreeShape } from "./hash-tree.ts"
import type { VerifiedHashes } from "./verified-hashes.ts"

/** Hashes of the pieces of one blob, with what proves each of them to another host. */
export type PieceHashes = Pick<VerifiedHashes, "knows" | "learn" | "proofOf" | "layer">

/** Whether `signature` is one of `text` by the Ed25519 key. */
export type CheckSignature = (key: Uint8Array, text: Uint8Array, signature: Uint8Array) => boolean

/** Bytes of a signature: two hashes, so that it fits where a proof goes. */
const signatureBytes = 2 * hashBytes

const purpose = new TextEncoder().encode("SHOALAR1 piece")

/** What is signed for a piece. */
export const vouchedText = (piece: number, hash: Uint8Array): Uint8Array<ArrayBuffer> => {
  const text = new Uint8Array(purpose.length + 4 + hashBytes)
  text.set(purpose)
  new DataView(text.buffer).setUint32(purpose.length, piece)
  text.set(hash, purpose.length + 4)
  return text
}

export class VouchedHashes implements PieceHashes {
  readonly #check: CheckSignature
  readonly #key: Uint8Array
  readonly #pieces: number
  readonly #hashes: Uint8Array
  readonly #signatures: Array<Uint8Array | undefined>
  #known = 0

  constructor(shape: TreeShape, key: Uint8Array, check: CheckSignature) {
    this.#check = check
    this.#key = key
    this.#pieces = Math.ceil(shape.length / shape.pieceLength)
    this.#hashes = new Uint8Array(this.#pieces * hashBytes)
    this.#signatures = new Array<Uint8Array | undefined>(this.#pieces).fill(undefined)
  }

  /** Whether the hash of a piece is known. */
  knows(piece: number): boolean {
    return this.#signatures[piece] !== undefined
  }

  /** Whether `hash` is the hash of a piece: it is known, or `proof` is a signature of it, which is kept. */
  learn(piece: number, hash: Uint8Array, proof: Uint8Array): boolean {
    if (!(piece >= 0 && piece < this.#pieces)) return false
    const kept = this.#hashes.subarray(piece * hashBytes, (piece + 1) * hashBytes)
    if (this.knows(piece)) return kept.every((byte, index) => byte === hash[index])
    if (proof.length !== signatureBytes || !this.#check(this.#key, vouchedText(piece, hash), proof))
      return false
    kept.set(hash)
    // A part of a frame would keep the whole frame in memory, and so would `slice` of a Node Buffer.
    this.#signatures[piece] = proof.length === proof.buffer.byteLength ? proof : new Uint8Array(proof)
    this.#known++
    return true
  }

  /** The signature of a piece whose hash is known. */
  proofOf(piece: number): Uint8Array {
    const signature = this.#signatures[piece]
    invariant(signature !== undefined, "arrival: a proof of a piece whose hash is not known")
    return signature
  }

  /** The hashes of all pieces, once all are known. */
  get layer(): Uint8Array | undefined {
    return this.#known === this.#pieces ? this.#hashes.slice() : undefined
  }
}
