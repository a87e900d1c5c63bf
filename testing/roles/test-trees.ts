// Hash trees over given bytes, as an origin makes them, with the proof of every piece. Tests only.

import { type Digest, type DigestAlgorithm, digestEncoded, fromHex } from "../../src/protocol/wire/digest.ts"
import {
  hashBytes,
  levelsAbove,
  pieceHash,
  pieceLevels,
  proofIn,
  rootOfLayer,
  type Sha256
} from "../../src/protocol/wire/hash-tree.ts"
import { type Metainfo, pieceCount } from "../../src/protocol/wire/metainfo.ts"

export interface TestTree {
  readonly metainfo: Metainfo
  /** The hashes of all pieces. */
  readonly layer: Uint8Array
  /** All uncles of a piece. */
  readonly proof: (piece: number) => Uint8Array
}

/** The digest of bytes; part of the service Digests. */
export type DigestOf = (algorithm: DigestAlgorithm, bytes: Uint8Array) => Digest

export const sha256By =
  (digestOf: DigestOf): Sha256 =>
  (bytes) =>
    fromHex(digestEncoded(digestOf("sha256", bytes)))

/** The tree of `bytes` in pieces of `pieceLength`. Without `digest` the metainfo has the right one. */
export const testTree = (
  digestOf: DigestOf,
  bytes: Uint8Array,
  pieceLength: number,
  digest?: Digest
): TestTree => {
  const sha256 = sha256By(digestOf)
  const shape = { length: bytes.length, pieceLength }
  const count = pieceCount(shape)
  const layer = new Uint8Array(count * hashBytes)
  for (let piece = 0; piece < count; piece++) {
    const of = bytes.subarray(piece * pieceLength, (piece + 1) * pieceLength)
    layer.set(pieceHash(shape, of, sha256), piece * hashBytes)
  }
  return {
    metainfo: {
      digest: digest ?? digestOf("sha256", bytes),
      ...shape,
      root: rootOfLayer(shape, layer, sha256)
    },
    layer,
    proof: (piece) => proofIn(layer, levelsAbove(count), pieceLevels(shape), piece, sha256)
  }
}
