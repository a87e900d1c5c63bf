// Hash ring: a change of members moves only the keys that it must, the load is even, and the owners of given keys never
// change, since blobs are where an earlier version put them.

import { createHash } from "node:crypto"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { ringOwners } from "./hash-ring.ts"

const members = fc.uniqueArray(fc.oneof(fc.string(), fc.constantFrom("o1:1", "o2:1", "o3:1", "o4:1")), {
  minLength: 1,
  maxLength: 12
})
const key = fc.oneof(fc.string(), fc.stringMatching(/^sha256:[0-9a-f]{64}$/))
const count = fc.integer({ min: 1, max: 5 })

const hosts = (size: number): readonly string[] =>
  Array.from({ length: size }, (_, index) => `origin-${index}.shoal:15001`)
/** Keys that differ as little as possible. */
const keys = (size: number): readonly string[] =>
  Array.from({ length: size }, (_, index) => `sha256:${index.toString(16).padStart(64, "0")}`)

describe("the owners of a key", () => {
  test("are as many different members as asked for, or all of them", () => {
    fc.assert(
      fc.property(key, members, fc.nat(15), (name, all, wanted) => {
        const owners = ringOwners(name, all, wanted)
        expect(owners).toHaveLength(Math.min(wanted, all.length))
        expect(new Set(owners).size).toBe(owners.length)
        for (const owner of owners) expect(all).toContain(owner)
      })
    )
    expect(ringOwners("key", [], 3)).toEqual([])
  })

  test("do not depend on the order of the members, or on a member that is listed twice", () => {
    fc.assert(
      fc.property(key, members, count, fc.infiniteStream(fc.nat(1000)), (name, all, wanted, ranks) => {
        const shuffled = all
          .map((member) => ({ member, rank: ranks.next().value! }))
          .sort((left, right) => left.rank - right.rank)
          .map(({ member }) => member)
        const owners = ringOwners(name, all, wanted)
        expect(ringOwners(name, shuffled, wanted)).toEqual(owners)
        expect(ringOwners(name, [...shuffled, ...all], wanted)).toEqual(owners)
      })
    )
  })

  test("of a smaller count come first in a larger one", () => {
    fc.assert(
      fc.property(key, members, count, count, (name, all, one, other) => {
        const few = Math.min(one, other)
        expect(ringOwners(name, all, Math.max(one, other)).slice(0, few)).toEqual(ringOwners(name, all, few))
      })
    )
  })

  test("keep their order when a member leaves, and the next one takes its place", () => {
    fc.assert(
      fc.property(key, members, count, fc.nat(), (name, all, wanted, pick) => {
        const leaver = all[pick % all.length]!
        const rest = all.filter((member) => member !== leaver)
        const before = ringOwners(name, all, wanted)
        const after = ringOwners(name, rest, wanted)
        if (!before.includes(leaver)) expect(after).toEqual(before)
        else expect(after.slice(0, before.length - 1)).toEqual(before.filter((owner) => owner !== leaver))
      }),
      { numRuns: 500 }
    )
  })

  test("stay when a member joins, except for the places that it takes", () => {
    fc.assert(
      fc.property(key, members, count, fc.string(), (name, all, wanted, comer) => {
        fc.pre(!all.includes(comer))
        const before = ringOwners(name, all, wanted)
        const after = ringOwners(name, [...all, comer], wanted)
        const others = after.filter((owner) => owner !== comer)
        expect(others).toEqual(before.slice(0, others.length))
      }),
      { numRuns: 500 }
    )
  })
})

describe("load", () => {
  // A fair share has a standard deviation of sqrt(n p (1-p)); five of them are beyond chance.
  const withinFive = (observed: number, size: number, share: number): void => {
    expect(Math.abs(observed - size * share)).toBeLessThan(5 * Math.sqrt(size * share * (1 - share)))
  }

  test("is even over members with similar names, for every place in the order", () => {
    for (const size of [2, 3, 5, 16]) {
      const all = hosts(size)
      const counts = Array.from({ length: Math.min(3, size) }, () => new Map<string, number>())
      const names = keys(20_000)
      for (const name of names) {
        ringOwners(name, all, 3).forEach((owner, place) => {
          counts[place]!.set(owner, (counts[place]!.get(owner) ?? 0) + 1)
        })
      }
      for (const place of counts) {
        for (const member of all) withinFive(place.get(member) ?? 0, names.length, 1 / size)
      }
    }
  })

  test("of a member that left is spread evenly over the others", () => {
    const all = hosts(6)
    const heirs = new Map<string, number>()
    let moved = 0
    for (const name of keys(30_000)) {
      if (ringOwners(name, all, 1)[0] !== all[2]) continue
      moved++
      const heir = ringOwners(
        name,
        all.filter((member) => member !== all[2]),
        1
      )[0]!
      heirs.set(heir, (heirs.get(heir) ?? 0) + 1)
    }
    expect(heirs.size).toBe(5)
    for (const observed of heirs.values()) withinFive(observed, moved, 1 / 5)
  })

  test("of keys that differ in one character is spread as if they differed in all", () => {
    const all = hosts(4)
    const counts = new Map<string, number>()
    let size = 0
    for (let place = 0; place < 64; place++) {
      for (let unit = 0; unit < 64; unit++) {
        const name = `${"0".repeat(place)}${String.fromCharCode(48 + unit)}${"0".repeat(63 - place)}`
        const owner = ringOwners(name, all, 1)[0]!
        counts.set(owner, (counts.get(owner) ?? 0) + 1)
        size++
      }
    }
    for (const member of all) withinFive(counts.get(member) ?? 0, size, 1 / 4)
  })
})

test("the owners of given keys never change, since another hash would orphan stored blobs", () => {
  const owners = keys(6).map((name) => ringOwners(name, hosts(5), 2).map((owner) => owner.slice(7, 8)))
  expect(owners.map((pair) => pair.join())).toEqual(["1,4", "4,3", "4,2", "0,2", "1,2", "1,2"])
  // Every bit of the hash decides some of these: long and short texts, and some outside ASCII.
  const texts = Array.from(
    { length: 400 },
    (_, index) => `${"\u{1f40b}é/".repeat(index % 7)}${index * index}`
  )
  const order = texts.map((name) => ringOwners(name, texts.slice(0, 30), 30).join())
  expect(createHash("sha256").update(order.join("\n")).digest("hex").slice(0, 16)).toBe("201ba2dc67237b32")
})
