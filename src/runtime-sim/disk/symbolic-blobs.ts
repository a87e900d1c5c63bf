// Symbolic blobs, for blobs whose bytes nobody needs: a name, a length, and a root made from the name. Their pieces are
// symbols (blob, piece, length, corrupted or not), one object per piece for the whole world, so that each of a thousand
// hosts holds a gigabyte in a bitfield; and so are their proofs (blob, piece, number of hashes). Verification takes the
// shipped path, with the frame sizes and the rules of real hashes: a symbol proves itself to nobody whose metainfo has
// another root, a corrupted one to nobody at all, and a proof that is too short is refused.

import { createHash } from "node:crypto"
import { invariant } from "../../protocol/kit/invariant.ts"
import { type Digest, makeDigest } from "../../protocol/wire/digest.ts"
import { hashBytes, levelsAbove } from "../../protocol/wire/hash-tree.ts"
import { type Metainfo, pieceCount, pieceSize } from "../../protocol/wire/metainfo.ts"
import type { HashProof, Payload } from "../../protocol/wire/payload.ts"

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

  constructor(blob: SymbolicBlob, piece: number, byteLength: number, corrupted: boolean) {
    this.blob = blob
    this.piece = piece
    this.byteLength = byteLength
    this.corrupted = corrupted
  }
}

/** The lowest uncles of a piece of a symbolic blob. */
export class SymbolicProof implements HashProof {
  readonly blob: SymbolicBlob
  readonly piece: number
  readonly byteLength: number

  constructor(blob: SymbolicBlob, piece: number, byteLength: number) {
    this.blob = blob
    this.piece = piece
    this.byteLength = byteLength
  }

  subarray(start: number, end: number): SymbolicProof {
    invariant(start === 0 && end <= this.byteLength, "symbolic blob: a proof is cut at its end only")
    return this.blob.proof(this.piece, end / hashBytes)
  }
}

export class SymbolicBlob {
  readonly metainfo: Metainfo
  readonly #payloads: readonly SymbolicPayload[]
  /** By piece and number of hashes, made at first use. */
  readonly #proofs: Array<SymbolicProof | undefined> = []
  readonly #levels: number

  constructor(spec: SymbolicBlobSpec) {
    const { length, pieceLength } = spec
    const name = `symbolic/${spec.name}/${length}`
    const pieces = pieceCount(spec)
    this.#levels = levelsAbove(pieces)
    const root = sha256(`${name}/${pieceLength}`)
    this.metainfo = { digest: makeDigest("sha256", sha256(name)), length, pieceLength, root }
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

  /** The lowest `hashes` uncles of a piece, all of them when it is absent. */
  proof(piece: number, hashes = this.#levels): SymbolicProof {
    const at = piece * (this.#levels + 1) + hashes
    let proof = this.#proofs[at]
    if (proof === undefined) {
      proof = new SymbolicProof(this, piece, hashes * hashBytes)
      this.#proofs[at] = proof
    }
    return proof
  }
}

const sha256 = (text: string): Uint8Array => new Uint8Array(createHash("sha256").update(text).digest())
