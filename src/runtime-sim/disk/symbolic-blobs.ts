// Symbolic blobs, for blobs whose bytes nobody needs: a name, a length, and hashes made from the name. Their pieces
// are symbols (blob, piece, length, corrupted or not), one object per piece for the whole world, so that each of a
// thousand hosts holds a gigabyte in a bitfield. Verification takes the shipped path: hash the payload and compare
// with the metainfo; only the hash of a symbol is looked up and not computed.

import { createHash } from "node:crypto"
import { invariant } from "../../protocol/kit/invariant.ts"
import { type Digest, makeDigest } from "../../protocol/wire/digest.ts"
import { type Metainfo, pieceCount, pieceHashBytes, pieceSize } from "../../protocol/wire/metainfo.ts"
import type { Payload } from "../../protocol/wire/payload.ts"

export interface SymbolicBlobSpec {
  /** Two blobs of equal name, length and piece length are the same blob. */
  readonly name: string
  /** Bytes. */
  readonly length: number
  readonly pieceLength: number
}

/** A piece of a symbolic blob. */
export class SymbolicPayload implements Payload {
  readonly blob: SymbolicBlob
  readonly piece: number
  readonly byteLength: number
  readonly corrupted: boolean
  /** The 32 bytes that hashing it would return. */
  readonly hash: Uint8Array

  constructor(blob: SymbolicBlob, piece: number, byteLength: number, corrupted: boolean) {
    this.blob = blob
    this.piece = piece
    this.byteLength = byteLength
    this.corrupted = corrupted
    const start = piece * pieceHashBytes
    this.hash = corrupted ? corruptHash : blob.metainfo.pieceHashes.subarray(start, start + pieceHashBytes)
  }
}

/** The hash of a corrupted symbol, which matches no metainfo. */
const corruptHash = new Uint8Array(pieceHashBytes).fill(0xff)

export class SymbolicBlob {
  readonly metainfo: Metainfo
  readonly #payloads: readonly SymbolicPayload[]

  constructor(spec: SymbolicBlobSpec) {
    const { length, pieceLength } = spec
    const name = `symbolic/${spec.name}/${length}`
    const pieces = pieceCount(spec)
    const pieceHashes = new Uint8Array(pieces * pieceHashBytes)
    for (let piece = 0; piece < pieces; piece++) {
      pieceHashes.set(sha256(`${name}/${pieceLength}/${piece}`), piece * pieceHashBytes)
    }
    this.metainfo = { digest: makeDigest("sha256", sha256(name)), length, pieceLength, pieceHashes }
    this.#payloads = Array.from(
      { length: pieces },
      (_, piece) => new SymbolicPayload(this, piece, pieceSize(spec, piece), false)
    )
  }

  get digest(): Digest {
    return this.metainfo.digest
  }

  payload(piece: number): SymbolicPayload {
    const payload = this.#payloads[piece]
    invariant(payload !== undefined, `symbolic blob: there is no piece ${piece}`)
    return payload
  }
}

const sha256 = (text: string): Uint8Array => createHash("sha256").update(text).digest()
