// Set of pieces: 32 bits per word, and the number of members in a field. It knows nothing of peers or blobs.
// Wire form: bit i is 0x80 >> (i & 7) of byte i >> 3 (BEP 3), spare bits zero. A word holds four such bytes, the first
// one lowest, each with its bits reversed, so conversions go byte by byte.

import { InvariantViolation, invariant } from "./invariant.ts"

/**
 * Words of 32 bits, as signed integers. A plain array takes a third of the memory of a typed array at the size of most
 * blobs, and a host has one for every neighbour.
 */
export type Words = number[]

/** Words for this number of bits, all of them zero. */
export const makeWords = (bits: number): Words => new Array<number>(Math.ceil(bits / 32)).fill(0)

export class Bitfield {
  readonly length: number
  /** Bit i is word i >>> 5, bit i & 31. Spare bits of the last word are zero. Read-only outside of this class. */
  readonly words: Words
  #count = 0

  constructor(length: number) {
    invariant(length >>> 0 === length, "bitfield: a length is an integer from 0 to 2^32-1")
    this.length = length
    this.words = makeWords(length)
  }

  static full(length: number): Bitfield {
    const field = new Bitfield(length)
    field.fill()
    return field
  }

  /** The set that wire bytes describe; undefined when their number is wrong or a spare bit is set. */
  static fromBytes(bytes: Uint8Array, length: number): Bitfield | undefined {
    if (bytes.length !== Math.ceil(length / 8)) return undefined
    const spare = bytes.length * 8 - length
    if (spare > 0 && (bytes[bytes.length - 1]! & ((1 << spare) - 1)) !== 0) return undefined
    const field = new Bitfield(length)
    const { words } = field
    for (let index = 0; index < bytes.length; index++) {
      words[index >>> 2]! |= turned[bytes[index]!]! << ((index & 3) << 3)
    }
    for (const word of words) field.#count += ones(word)
    return field
  }

  toBytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(Math.ceil(this.length / 8))
    for (let index = 0; index < bytes.length; index++) {
      bytes[index] = turned[(this.words[index >>> 2]! >>> ((index & 3) << 3)) & 0xff]!
    }
    return bytes
  }

  copy(): Bitfield {
    const field = new Bitfield(this.length)
    for (let word = 0; word < this.words.length; word++) field.words[word] = this.words[word]!
    field.#count = this.#count
    return field
  }

  get count(): number {
    return this.#count
  }

  get isFull(): boolean {
    return this.#count === this.length
  }

  /** Whether `index` is in the set; false for an index out of range. */
  has(index: number): boolean {
    return (this.words[index >>> 5]! & (1 << (index & 31))) !== 0
  }

  /** Adds `index`; true when it was absent. */
  set(index: number): boolean {
    if (index >>> 0 !== index || index >= this.length) this.#outside(index)
    const word = index >>> 5
    const bit = 1 << (index & 31)
    const before = this.words[word]!
    if ((before & bit) !== 0) return false
    this.words[word] = before | bit
    this.#count++
    return true
  }

  /** Removes `index`; true when it was present. */
  clear(index: number): boolean {
    if (index >>> 0 !== index || index >= this.length) this.#outside(index)
    const word = index >>> 5
    const bit = 1 << (index & 31)
    const before = this.words[word]!
    if ((before & bit) === 0) return false
    this.words[word] = before & ~bit
    this.#count--
    return true
  }

  /** Words of those that are no members. */
  complement(): Words {
    const words = this.words.map((word) => ~word)
    const spare = words.length * 32 - this.length
    if (spare > 0) words[words.length - 1]! &= 0xffffffff >>> spare
    return words
  }

  /** The number of members that are not in `other`, a set of the same length. */
  countWithout(other: Bitfield): number {
    let count = 0
    for (let word = 0; word < this.words.length; word++)
      count += ones(this.words[word]! & ~other.words[word]!)
    return count
  }

  fill(): void {
    this.words.fill(-1)
    const spare = this.words.length * 32 - this.length
    if (spare > 0) this.words[this.words.length - 1] = 0xffffffff >>> spare
    this.#count = this.length
  }

  /** Separate from set and clear, so that they build no message when the index is in range. */
  #outside(index: number): never {
    throw new InvariantViolation(`bitfield: ${index} is outside 0..${this.length - 1}`)
  }
}

/** Every byte with its bits reversed. */
const turned = Uint8Array.from({ length: 256 }, (_, byte) => {
  let reversed = 0
  for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) !== 0) reversed |= 0x80 >> bit
  return reversed
})

/** The number of bits that are set in a word. */
const ones = (word: number): number => {
  const pairs = word - ((word >>> 1) & 0x55555555)
  const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
