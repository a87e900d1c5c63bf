// The hashes of one blob that are known to be right, from its root down to its pieces (hash-tree.ts). They grow by the
// proofs of pieces, and are served as proofs.
//
// Invariants: only the root is trusted; a hash is kept when hashing upwards from it gave one that was known. A hash
// that is known has a known sibling and known ancestors. Twice as many hashes are kept as the next power of two of the
// pieces, and no more.

import { invariant } from "../kit/invariant.ts"
import {
  climb,
  hashBytes,
  levelsAbove,
  missingSubtree,
  pieceLevels,
  type Sha256,
  type TreeShape
} from "./hash-tree.ts"

export class VerifiedHashes {
  readonly #sha256: Sha256
  readonly #pieces: number
  readonly #levels: number
  /** Pieces of the padded tree. */
  readonly #width: number
  /** Node 1 is the root, the children of node i are 2i and 2i+1, and piece p is node width + p. Node 0 is unused. */
  readonly #nodes: Uint8Array
  readonly #known: Uint8Array

  constructor(shape: TreeShape, root: Uint8Array, sha256: Sha256) {
    this.#sha256 = sha256
    this.#pieces = Math.ceil(shape.length / shape.pieceLength)
    this.#levels = levelsAbove(this.#pieces)
    this.#width = 2 ** this.#levels
    this.#nodes = new Uint8Array(2 * this.#width * hashBytes)
    this.#known = new Uint8Array(2 * this.#width)
    this.#keep(1, root)
    this.#keepPadding(pieceLevels(shape))
  }

  /** Whether the hash of a piece is known. */
  knows(piece: number): boolean {
    return this.#known[this.#width + piece] === 1
  }

  /** The hash of a piece that is known, 32 bytes. */
  hashOf(piece: number): Uint8Array {
    invariant(this.knows(piece), "hash tree: the hash of a piece is not known")
    return this.#node(this.#width + piece).slice()
  }

  /**
   * Whether `hash` is the hash of a piece. The proof needs as many uncles as are unknown here; those beyond are not
   * looked at. What is learned from a right proof is kept; a wrong or short one changes nothing.
   */
  learn(piece: number, hash: Uint8Array, proof: Uint8Array): boolean {
    if (!(piece >= 0 && piece < this.#pieces)) return false
    let at = this.#width + piece
    const path: Array<{ readonly at: number; readonly hash: Uint8Array }> = []
    let reached = hash
    for (let from = 0; this.#known[at] !== 1; from += hashBytes) {
      if (from + hashBytes > proof.length) return false
      const uncle = proof.subarray(from, from + hashBytes)
      path.push({ at, hash: reached }, { at: at ^ 1, hash: uncle })
      reached = climb(reached, at & 1, uncle, this.#sha256)
      at >>>= 1
    }
    if (!sameHash(reached, 0, this.#nodes, at * hashBytes)) return false
    for (const node of path) this.#keep(node.at, node.hash)
    return true
  }

  /** All uncles of a piece whose hash is known, the lowest first. */
  proofOf(piece: number): Uint8Array {
    invariant(this.knows(piece), "hash tree: a proof of a piece whose hash is not known")
    const proof = new Uint8Array(this.#levels * hashBytes)
    let at = this.#width + piece
    for (let level = 0; level < this.#levels; level++) {
      proof.set(this.#node(at ^ 1), level * hashBytes)
      at >>>= 1
    }
    return proof
  }

  /** Takes over the hashes of all pieces. False, and without effect, when they do not lead to the root. */
  learnLayer(layer: Uint8Array): boolean {
    if (layer.length !== this.#pieces * hashBytes) return false
    const nodes = this.#nodes.slice()
    nodes.set(layer, this.#width * hashBytes)
    for (let at = this.#width - 1; at >= 1; at--) {
      nodes.set(this.#sha256(childrenOf(nodes, at)), at * hashBytes)
    }
    if (!sameHash(nodes, hashBytes, this.#nodes, hashBytes)) return false
    this.#nodes.set(nodes)
    this.#known.fill(1, 1)
    return true
  }

  /** What is known, as `restore` reads it: the nodes below the root, an unknown one as zeros. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return this.#nodes.slice(2 * hashBytes)
  }

  /** Takes over what an earlier process wrote down, as far as it leads to the root. */
  restore(bytes: Uint8Array): void {
    if (bytes.length !== this.#nodes.length - 2 * hashBytes) return
    for (let at = 1; at < this.#width; at++) {
      if (this.#known[at] !== 1 || (this.#known[2 * at] === 1 && this.#known[2 * at + 1] === 1)) continue
      const pair = bytes.subarray((2 * at - 2) * hashBytes, 2 * at * hashBytes)
      if (!sameHash(this.#sha256(pair), 0, this.#nodes, at * hashBytes)) continue
      this.#keep(2 * at, pair.subarray(0, hashBytes))
      this.#keep(2 * at + 1, pair.subarray(hashBytes))
    }
  }

  /** The hashes of all pieces, once all are known. */
  get layer(): Uint8Array | undefined {
    for (let piece = 0; piece < this.#pieces; piece++) if (!this.knows(piece)) return undefined
    return this.#nodes.slice(this.#width * hashBytes, (this.#width + this.#pieces) * hashBytes)
  }

  #node(at: number): Uint8Array {
    return this.#nodes.subarray(at * hashBytes, (at + 1) * hashBytes)
  }

  #keep(at: number, hash: Uint8Array): void {
    this.#nodes.set(hash, at * hashBytes)
    this.#known[at] = 1
  }

  /** Subtrees behind the last piece are known from the start. */
  #keepPadding(below: number): void {
    const piece = missingSubtree(below, this.#sha256)
    for (let at = this.#width + this.#pieces; at < 2 * this.#width; at++) this.#keep(at, piece)
    for (let at = this.#width - 1; at > 1; at--) {
      if (this.#known[2 * at] === 1 && this.#known[2 * at + 1] === 1) {
        this.#keep(at, this.#sha256(childrenOf(this.#nodes, at)))
      }
    }
  }
}

const childrenOf = (nodes: Uint8Array, at: number): Uint8Array =>
  nodes.subarray(2 * at * hashBytes, (2 * at + 2) * hashBytes)

const sameHash = (left: Uint8Array, leftAt: number, right: Uint8Array, rightAt: number): boolean => {
  for (let index = 0; index < hashBytes; index++) {
    if (left[leftAt + index] !== right[rightAt + index]) return false
  }
  return true
}
