// Bitfield against a Set, and its wire form against the definition of BEP 3.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { Bitfield } from "./bitfield.ts"
import { InvariantViolation } from "./invariant.ts"

const length = fc.integer({ min: 0, max: 200 })
const membership = fc.array(fc.boolean(), { maxLength: 200, size: "max" })

const fieldOf = (members: readonly boolean[]): Bitfield => {
  const field = new Bitfield(members.length)
  members.forEach((member, index) => {
    if (member) field.set(index)
  })
  return field
}

describe("a bitfield", () => {
  test("behaves as a Set of numbers under any sequence of changes", () => {
    const change = fc.record({ act: fc.constantFrom("set", "clear", "copy", "fill"), index: fc.nat(199) })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.array(change, { maxLength: 60 }), (size, changes) => {
        let field = new Bitfield(size)
        const model = new Set<number>()
        for (const { act, index: any } of changes) {
          const index = any % size
          if (act === "set") {
            expect(field.set(index)).toBe(!model.has(index))
            model.add(index)
          } else if (act === "clear") {
            expect(field.clear(index)).toBe(model.delete(index))
          } else if (act === "copy") {
            const original = field
            field = field.copy()
            if (!original.isFull) original.fill()
          } else {
            field.fill()
            for (let each = 0; each < size; each++) model.add(each)
          }
          expect(field.count).toBe(model.size)
          expect(field.isFull).toBe(model.size === size)
        }
        for (let index = 0; index < size; index++) expect(field.has(index)).toBe(model.has(index))
      })
    )
  })

  test("has a complement without spare bits, in words of its own", () => {
    fc.assert(
      fc.property(membership, (members) => {
        const field = fieldOf(members)
        const words = field.complement()
        expect(words).toEqual(fieldOf(members.map((member) => !member)).words.map((word) => word | 0))
        words.fill(7)
        expect(field.words).toEqual(fieldOf(members).words)
      })
    )
  })

  test("counts what another set of its length lacks", () => {
    const set = fc.uniqueArray(fc.nat(99), { maxLength: 100 })
    fc.assert(
      fc.property(set, set, (ours, theirs) => {
        const fieldOf = (pieces: readonly number[]): Bitfield => {
          const field = new Bitfield(100)
          for (const piece of pieces) field.set(piece)
          return field
        }
        const lacking = ours.filter((piece) => !theirs.includes(piece))
        expect(fieldOf(ours).countWithout(fieldOf(theirs))).toBe(lacking.length)
      })
    )
    expect(Bitfield.full(100).countWithout(new Bitfield(100))).toBe(100)
  })

  test("keeps the spare bits of its last word zero", () => {
    fc.assert(
      fc.property(length, (size) => {
        const field = Bitfield.full(size)
        expect(field.count).toBe(size)
        expect(field.isFull).toBe(true)
        let bits = 0
        for (const word of field.words) bits += (word >>> 0).toString(2).replaceAll("0", "").length
        expect(bits).toBe(size)
      })
    )
  })

  test("has nothing outside its range, and refuses to be changed there", () => {
    const field = Bitfield.full(40)
    for (const index of [-1, 40, 63, 64, 1e9, Number.NaN]) {
      if (!Number.isNaN(index)) expect(field.has(index)).toBe(false)
      expect(() => field.set(index)).toThrow(InvariantViolation)
      expect(() => field.clear(index)).toThrow(InvariantViolation)
    }
    expect(() => field.set(1.5)).toThrow("1.5 is outside 0..39")
    expect(() => new Bitfield(-1)).toThrow(InvariantViolation)
    expect(() => new Bitfield(0.5)).toThrow(InvariantViolation)
  })
})

describe("the wire form", () => {
  test("survives a round trip", () => {
    fc.assert(
      fc.property(membership, (members) => {
        const field = fieldOf(members)
        const back = Bitfield.fromBytes(field.toBytes(), members.length)
        expect(back?.words).toEqual(field.words)
        expect(back?.count).toBe(field.count)
      })
    )
  })

  test("has bit i at 0x80 >> (i & 7) of byte i >> 3", () => {
    fc.assert(
      fc.property(membership, (members) => {
        const expected = new Array<number>(Math.ceil(members.length / 8)).fill(0)
        members.forEach((member, index) => {
          if (member) expected[index >> 3]! |= 0x80 >> (index & 7)
        })
        expect([...fieldOf(members).toBytes()]).toEqual(expected)
      })
    )
  })

  test("is read from any bytes: the same bytes come back, or they are refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), fc.integer({ min: 0, max: 96 }), (bytes, size) => {
        const field = Bitfield.fromBytes(bytes, size)
        if (field !== undefined) expect([...field.toBytes()]).toEqual([...bytes])
        const fits = bytes.length === Math.ceil(size / 8)
        const spareBits = bytes.length * 8 - size
        const spareSet = fits && spareBits > 0 && (bytes.at(-1)! & ((1 << spareBits) - 1)) !== 0
        expect(field !== undefined).toBe(fits && !spareSet)
      }),
      { numRuns: 1000 }
    )
  })

  test("of an empty set is empty", () => {
    expect(new Bitfield(0).toBytes()).toHaveLength(0)
    expect(Bitfield.fromBytes(new Uint8Array(0), 0)?.isFull).toBe(true)
    expect(Bitfield.fromBytes(new Uint8Array(1), 0)).toBeUndefined()
  })
})
