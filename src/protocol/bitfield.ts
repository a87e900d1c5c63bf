// Decides how a set of pieces is kept: 32 to a word, with its count at hand. It knows nothing of peers or blobs.
// Wire form: bit i is 0x80 >> (i & 7) of byte i >> 3 (BEP 3), spare bits zero.

import { invariant } from "./invariant.ts"

export class Bitfield {
  readonly length: number
  /** Bit i is word i >>> 5, bit i & 31. Spare bits of the last word are zero. Read it; change it by set and clear. */
  readonly words: Uint32Array
  #count = 0

  constructor(length: number) {
    this.length = length
    this.words = new Uint32Array((length + 31) >>> 5)
  }

  static full(length: number): Bitfield {
    const field = new Bitfield(length)
    field.fill()
    return field
  }

  /** The set that wire bytes describe, or undefined when they are too few, too many, or set a spare bit. */
  static fromBytes(bytes: Uint8Array, length: number): Bitfield | undefined {
    if (bytes.length !== (length + 7) >>> 3) return undefined
    const field = new Bitfield(length)
    for (let index = 0; index < bytes.length * 8; index++) {
      if ((bytes[index >>> 3]! & (0x80 >> (index & 7))) === 0) continue
      if (index >= length) return undefined
      field.set(index)
    }
    return field
  }

  toBytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array((this.length + 7) >>> 3)
    for (let index = 0; index < this.length; index++) {
      if (this.has(index)) bytes[index >>> 3]! |= 0x80 >> (index & 7)
    }
    return bytes
  }

  copy(): Bitfield {
    const field = new Bitfield(this.length)
    field.words.set(this.words)
    field.#count = this.#count
    return field
  }

  get count(): number {
    return this.#count
  }

  get isFull(): boolean {
    return this.#count === this.length
  }

  has(index: number): boolean {
    return (this.words[index >>> 5]! & (1 << (index & 31))) !== 0
  }

  /** Adds `index`; says whether it was absent. */
  set(index: number): boolean {
    invariant(index >= 0 && index < this.length, `bitfield: ${index} is outside 0..${this.length - 1}`)
    const word = index >>> 5
    const bit = 1 << (index & 31)
    if ((this.words[word]! & bit) !== 0) return false
    this.words[word] = (this.words[word]! | bit) >>> 0
    this.#count++
    return true
  }

  /** Removes `index`; says whether it was present. */
  clear(index: number): boolean {
    invariant(index >= 0 && index < this.length, `bitfield: ${index} is outside 0..${this.length - 1}`)
    const word = index >>> 5
    const bit = 1 << (index & 31)
    if ((this.words[word]! & bit) === 0) return false
    this.words[word] = (this.words[word]! & ~bit) >>> 0
    this.#count--
    return true
  }

  fill(): void {
    this.words.fill(0xffffffff)
    const spare = this.words.length * 32 - this.length
    if (spare > 0) this.words[this.words.length - 1] = 0xffffffff >>> spare
    this.#count = this.length
  }
}
