// The SHA-256 tree over a blob as BitTorrent v2 defines it (BEP 52): leaves are the hashes of blocks of 16 KiB, the
// last block is hashed with the bytes that it has, and leaves that are missing up to the next power of two are zero
// hashes. Every inner hash is the SHA-256 of its two children. The pieces of a blob are subtrees of equal height; a
// blob of no more than one piece is a single subtree, only as high as its leaves need.
//
// A proof of a subtree holds its uncles, the lowest first: hashing upwards with them gives a hash nearer to the root.
//
// Invariants: several hashes are one array of 32 bytes each; nothing here trusts a hash that it was given. It does not
// know how a hash is computed: callers bring SHA-256.

import type { Bitfield } from "../kit/bitfield.ts"
import { invariant } from "../kit/invariant.ts"

/** SHA-256 of bytes, 32 bytes. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array

export const hashBytes = 32
export const leafBytes = 16 * 1024

/** What the shape of a tree depends on. */
export interface TreeShape {
  readonly length: number
  readonly pieceLength: number
}

/** The hash of a missing leaf. It is also the root of an empty blob, which BEP 52 leaves without one. */
export const missingLeaf: Uint8Array = new Uint8Array(hashBytes)

/** Levels that a tree needs above `count` subtrees: the logarithm of the next power of two. */
export const levelsAbove = (count: number): number => {
  let levels = 0
  while (2 ** levels < count) levels++
  return levels
}

/** Whether pieces of this length are whole subtrees: a power of two of leaves. */
export const isSubtreeLength = (pieceLength: number): boolean =>
  pieceLength % leafBytes === 0 && 2 ** levelsAbove(pieceLength / leafBytes) * leafBytes === pieceLength

/** Levels from the leaves to the hash of a piece. */
export const pieceLevels = ({ length, pieceLength }: TreeShape): number =>
  levelsAbove(Math.ceil(Math.min(length, pieceLength) / leafBytes))

/** The root of a subtree of 2^levels missing leaves. */
export const missingSubtree = (levels: number, sha256: Sha256): Uint8Array => {
  const pair = new Uint8Array(2 * hashBytes)
  let hash = missingLeaf
  for (let level = 0; level < levels; level++) {
    pair.set(hash, 0)
    pair.set(hash, hashBytes)
    hash = sha256(pair)
  }
  return hash
}

/**
 * The root of a tree of 2^levels subtrees whose roots are `hashes`; those that are missing at the end are subtrees of
 * missing leaves, `below` levels high each.
 */
export const rootOf = (hashes: Uint8Array, levels: number, below: number, sha256: Sha256): Uint8Array => {
  const count = hashes.length / hashBytes
  invariant(Number.isInteger(count) && count <= 2 ** levels, "hash tree: hashes do not fit their tree")
  if (count === 0) return missingSubtree(below + levels, sha256)
  const row = new Uint8Array((count + 1) * hashBytes)
  row.set(hashes)
  let width = count
  for (let level = 0; level < levels; level++) {
    if (width % 2 === 1) row.set(missingSubtree(below + level, sha256), width * hashBytes)
    width = Math.ceil(width / 2)
    for (let index = 0; index < width; index++) {
      const children = row.subarray(2 * index * hashBytes, (2 * index + 2) * hashBytes)
      row.set(sha256(children), index * hashBytes)
    }
  }
  return row.slice(0, hashBytes)
}

/** The root of the subtree of a stretch of bytes, 2^levels leaves high. */
export const rootOfBytes = (bytes: Uint8Array, levels: number, sha256: Sha256): Uint8Array => {
  const leaves = new Uint8Array(Math.ceil(bytes.length / leafBytes) * hashBytes)
  for (let at = 0, leaf = 0; at < bytes.length; at += leafBytes, leaf += hashBytes) {
    leaves.set(sha256(bytes.subarray(at, at + leafBytes)), leaf)
  }
  return rootOf(leaves, levels, 0, sha256)
}

/** The hash of piece `piece`, whose bytes are given. */
export const pieceHash = (shape: TreeShape, bytes: Uint8Array, sha256: Sha256): Uint8Array =>
  rootOfBytes(bytes, pieceLevels(shape), sha256)

/** The hashes of the pieces, given those of shorter subtrees: `levels` levels between the two. */
export const layerAbove = (hashes: Uint8Array, levels: number, below: number, sha256: Sha256): Uint8Array => {
  const width = 2 ** levels * hashBytes
  const layer = new Uint8Array(Math.ceil(hashes.length / width) * hashBytes)
  for (let at = 0, to = 0; at < hashes.length; at += width, to += hashBytes) {
    layer.set(rootOf(hashes.subarray(at, at + width), levels, below, sha256), to)
  }
  return layer
}

/** The root of a blob, given the hashes of its pieces. */
export const rootOfLayer = (shape: TreeShape, layer: Uint8Array, sha256: Sha256): Uint8Array =>
  rootOf(layer, levelsAbove(layer.length / hashBytes), pieceLevels(shape), sha256)

/** The hash that a proof leads to from the subtree `index` with the root `hash`, as many levels up as it has hashes. */
export const climb = (hash: Uint8Array, index: number, proof: Uint8Array, sha256: Sha256): Uint8Array => {
  const pair = new Uint8Array(2 * hashBytes)
  let at = index
  let reached = hash
  for (let from = 0; from < proof.length; from += hashBytes) {
    pair.set(reached, at % 2 === 0 ? 0 : hashBytes)
    pair.set(proof.subarray(from, from + hashBytes), at % 2 === 0 ? hashBytes : 0)
    reached = sha256(pair)
    at = Math.floor(at / 2)
  }
  return reached
}

/** The proof of the subtree `index` in the tree of 2^levels subtrees over `hashes`, as rootOf takes them. */
export const proofIn = (
  hashes: Uint8Array,
  levels: number,
  below: number,
  index: number,
  sha256: Sha256
): Uint8Array => {
  const proof = new Uint8Array(levels * hashBytes)
  for (let level = 0; level < levels; level++) {
    const uncle = (Math.floor(index / 2 ** level) ^ 1) * 2 ** level * hashBytes
    const under = hashes.subarray(uncle, uncle + 2 ** level * hashBytes)
    proof.set(rootOf(under, level, below, sha256), level * hashBytes)
  }
  return proof
}

/**
 * Uncles of a piece that a host lacks when it has verified the pieces `have`, each with its proof. A verified piece
 * vouches for its uncles, so the nearest one decides: its proof holds an ancestor of this piece.
 */
export const unclesMissing = (have: Bitfield, piece: number): number => {
  const levels = levelsAbove(have.length)
  if (have.count === 0) return levels
  for (let level = 0; level <= levels; level++) {
    const first = Math.floor(piece / 2 ** level) * 2 ** level
    if (hasAny(have, first, Math.min(first + 2 ** level, have.length))) return Math.max(0, level - 1)
  }
  return levels
}

/** Whether a member lies in [first, end), where `first` is a multiple of the next power of two of its width. */
const hasAny = ({ words }: Bitfield, first: number, end: number): boolean => {
  if (end - first < 32) {
    const mask = ((1 << (end - first)) - 1) << (first & 31)
    return (words[first >>> 5]! & mask) !== 0
  }
  for (let word = first >>> 5; word << 5 < end; word++) if (words[word] !== 0) return true
  return false
}
