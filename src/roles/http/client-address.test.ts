// One client has one key however its address is written, and two clients have two keys.

import fc from "fast-check"
import { expect, test } from "vitest"
import { clientOf } from "./client-address.ts"

const groups = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
  minLength: 8,
  maxLength: 8
})

/** Spellings of one address: leading zeros, capitals, and the first run of zeros omitted. */
const spellings = (address: ReadonlyArray<number>): ReadonlyArray<string> => {
  const short = address.map((group) => group.toString(16))
  const spelled = [
    short.join(":"),
    short.map((group) => group.padStart(4, "0")).join(":"),
    short.join(":").toUpperCase(),
    `${short.join(":")}%eth0`
  ]
  const from = address.indexOf(0)
  if (from === -1) return spelled
  let to = from
  while (address[to] === 0) to++
  return [...spelled, `${short.slice(0, from).join(":")}::${short.slice(to).join(":")}`]
}

const isMapped = (address: ReadonlyArray<number>): boolean =>
  address[5] === 0xffff && address.slice(0, 5).every((group) => group === 0)

test("an IPv6 /64 is one client, in every spelling", () => {
  fc.assert(
    fc.property(groups, groups, (one, other) => {
      fc.pre(!isMapped(one) && !isMapped(other))
      const neighbour = [...one.slice(0, 4), ...other.slice(4)]
      fc.pre(!isMapped(neighbour))
      const keys = new Set([...spellings(one), ...spellings(neighbour)].map(clientOf))
      expect(keys.size).toBe(1)
      const same = one.slice(0, 4).every((group, index) => group === other[index])
      expect(clientOf(spellings(other)[0]!) === [...keys][0]).toBe(same)
    })
  )
})

test("an IPv4 address is one client, also through a dual-stack listener", () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      const [a, b, c, d] = address.split(".").map(Number) as [number, number, number, number]
      const hex = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
      for (const spelled of [address, `::ffff:${address}`, `::FFFF:${hex}`, `0:0:0:0:0:ffff:${hex}`]) {
        expect(clientOf(spelled)).toBe(address)
      }
    })
  )
})

test("a text that is no address is a client of that name", () => {
  for (const name of ["agent-1", "", "::g", "1:2:3", "::1::", "1:2:3:4:5:6:7:8:9", "::300.1.1.1"]) {
    expect(clientOf(name)).toBe(name)
  }
  fc.assert(fc.property(fc.string(), (text) => typeof clientOf(text) === "string"))
})
