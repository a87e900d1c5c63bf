// The forms in which a simulated disk holds a whole blob: given bytes, shared by reference, or a symbol. Both return
// pieces as payloads, and bytes to readers; the bytes of a symbol are meaningless zeros.

import { createHash } from "node:crypto"
import { invariant } from "../../protocol/kit/invariant.ts"
import { type Digest, digestAlgorithm, makeDigest } from "../../protocol/wire/digest.ts"
import { hashBytes, rootOfLayer, type TreeShape } from "../../protocol/wire/hash-tree.ts"
import { type Metainfo, pieceCount } from "../../protocol/wire/metainfo.ts"
import type { HashProof, Payload } from "../../protocol/wire/payload.ts"
import { VerifiedHashes } from "../../protocol/wire/verified-hashes.ts"
import { payloadHash, sha256 } from "./sim-digests.ts"
import type { SymbolicBlob } from "./symbolic-blobs.ts"

export interface BlobContent {
  /** Bytes. */
  readonly length: number
  /** The payload of a piece: the same object at every call. */
  readonly piece: (piece: number, pieceLength: number) => Payload
  /** Bytes [start, end), where end - start is at most a piece or a chunk. */
  readonly slice: (start: number, end: number) => Uint8Array
  /** The metainfo of the blob in pieces of this length. */
  readonly metainfo: (digest: Digest, pieceLength: number) => Metainfo
  /** All uncles of a piece, by metainfo of this blob. */
  readonly proof: (piece: number, metainfo: Metainfo) => HashProof
  /** The digest of the whole blob by the algorithm of `expected`. */
  readonly digest: (expected: Digest) => Digest
}

export class RealContent implements BlobContent {
  readonly length: number
  /** The blob in parts of equal length, except for the last. */
  readonly #parts: readonly Uint8Array[]
  readonly #partLength: number
  readonly #pieces = new Map<number, Uint8Array>()
  #hashes: VerifiedHashes | undefined
  #hashedFor = 0

  constructor(parts: readonly Uint8Array[], partLength: number, length: number) {
    this.#parts = parts
    this.#partLength = partLength
    this.length = length
  }

  metainfo(digest: Digest, pieceLength: number): Metainfo {
    const shape = { length: this.length, pieceLength }
    const root = rootOfLayer(shape, this.#layer(shape), sha256)
    return { digest, ...shape, root: new Uint8Array(root) }
  }

  proof(piece: number, metainfo: Metainfo): HashProof {
    if (this.#hashes === undefined || this.#hashedFor !== metainfo.pieceLength) {
      this.#hashedFor = metainfo.pieceLength
      this.#hashes = new VerifiedHashes(metainfo, metainfo.root, sha256)
      const isRight = this.#hashes.learnLayer(this.#layer(metainfo))
      invariant(isRight, `sim disk: the metainfo of ${metainfo.digest} is of another blob`)
    }
    return this.#hashes.proofOf(piece)
  }

  #layer(shape: TreeShape): Uint8Array {
    const layer = new Uint8Array(pieceCount(shape) * hashBytes)
    for (let piece = 0; piece < pieceCount(shape); piece++) {
      layer.set(payloadHash(shape, this.piece(piece, shape.pieceLength)), piece * hashBytes)
    }
    return layer
  }

  static ofBytes(bytes: Uint8Array): RealContent {
    return new RealContent([bytes], Math.max(1, bytes.byteLength), bytes.byteLength)
  }

  piece(piece: number, pieceLength: number): Payload {
    if (pieceLength === this.#partLength) return this.#parts[piece]!
    const start = piece * pieceLength
    let bytes = this.#pieces.get(start)
    const size = Math.min(pieceLength, this.length - start)
    if (bytes === undefined || bytes.byteLength !== size) {
      bytes = this.slice(start, start + size)
      this.#pieces.set(start, bytes)
    }
    return bytes
  }

  slice(start: number, end: number): Uint8Array {
    const first = Math.floor(start / this.#partLength)
    const offset = start - first * this.#partLength
    const part = this.#parts[first]!
    if (offset + end - start <= part.byteLength) return part.subarray(offset, offset + end - start)
    const bytes = new Uint8Array(end - start)
    for (let at = start; at < end; ) {
      const index = Math.floor(at / this.#partLength)
      const from = at - index * this.#partLength
      const piece = this.#parts[index]!.subarray(from, from + end - at)
      bytes.set(piece, at - start)
      at += piece.byteLength
    }
    return bytes
  }

  digest(expected: Digest): Digest {
    const algorithm = digestAlgorithm(expected)
    const hash = createHash(algorithm)
    for (const part of this.#parts) hash.update(part)
    return makeDigest(algorithm, hash.digest())
  }
}

const zeros = new Uint8Array(1024 * 1024)

export class SymbolicContent implements BlobContent {
  readonly blob: SymbolicBlob

  constructor(blob: SymbolicBlob) {
    this.blob = blob
  }

  get length(): number {
    return this.blob.metainfo.length
  }

  piece(piece: number): Payload {
    return this.blob.payload(piece)
  }

  metainfo(): Metainfo {
    return this.blob.metainfo
  }

  proof(piece: number): HashProof {
    return this.blob.proof(piece)
  }

  slice(start: number, end: number): Uint8Array {
    return end - start <= zeros.byteLength ? zeros.subarray(0, end - start) : new Uint8Array(end - start)
  }

  digest(): Digest {
    return this.blob.digest
  }
}
