// Property test of the disk ledger against a model, under any order of reads, downloads, measurements and evictions.

import fc from "fast-check"
import { expect, test } from "vitest"
import type { Digest } from "../../protocol/wire/digest.ts"
import { DiskLedger } from "./disk-ledger.ts"

const digests = ["a", "b", "c", "d", "e", "f"].map((digit) => `sha256:${digit.repeat(64)}` as Digest)
const rules = { budget: 1000, high: 900, low: 700 }

/** A blob as the model knows it. */
interface Known {
  bytes: number
  complete: boolean
  usedAt: number
  holds: number
  downloads: number
  expected: number
}

interface Model {
  readonly known: Map<Digest, Known>
  /** Downloads that left no room for the rest of their own blob. */
  readonly outgrown: Set<Digest>
  other: number
  now: number
}

const of = (model: Model, digest: Digest): Known => {
  const known = model.known.get(digest) ?? {
    bytes: 0,
    complete: false,
    usedAt: 0,
    holds: 0,
    downloads: 0,
    expected: 0
  }
  model.known.set(digest, known)
  return known
}

const isPinned = ({ complete, holds, downloads }: Known) => (complete ? holds > 0 : downloads > 0)
const usedBytes = (model: Model) =>
  [...model.known.values()].reduce((sum, { bytes }) => sum + bytes, model.other)
const committedBytes = (model: Model) =>
  [...model.known.values()]
    .filter(isPinned)
    .reduce((sum, { bytes, complete, expected }) => sum + (complete ? bytes : Math.max(bytes, expected)), 0)

const bytesToCome = (model: Model) =>
  [...model.known.values()]
    .filter(({ complete, downloads }) => downloads > 0 && !complete)
    .reduce((sum, { bytes, expected }) => sum + Math.max(0, expected - bytes), 0)

/** Evicts until the ledger names no further victim, and checks each choice. */
const drain = (model: Model, ledger: DiskLedger, spares: (digest: Digest) => boolean): void => {
  const spared = new Set<Digest>()
  const calm = usedBytes(model) <= rules.low
  for (;;) {
    const digest = ledger.victim(spared)
    if (digest === undefined) break
    const hadToGo = model.outgrown.has(digest)
    if (!hadToGo) expect(calm, "evicts below the low watermark").toBe(false)
    const victim = of(model, digest)
    expect(isPinned(victim), "evicts what is in use").toBe(false)
    for (const [other, known] of model.known) {
      if (hadToGo || isPinned(known) || known.bytes === 0 || spared.has(other)) continue
      expect(known.usedAt, "evicts a blob that was used later than another").toBeGreaterThanOrEqual(
        victim.usedAt
      )
    }
    expect(ledger.isEvicting(digest)).toBe(true)
    expect(ledger.admit(digest, 1, 1), "admits a download of a blob that is being evicted").toBe("no-room")
    if (spares(digest)) {
      ledger.spared(digest, model.now)
      victim.usedAt = model.now
      spared.add(digest)
    } else {
      ledger.evicted(digest)
      Object.assign(victim, { bytes: 0, complete: false })
      model.outgrown.delete(digest)
    }
  }
  const evictable = [...model.known].filter(
    ([digest, known]) => !isPinned(known) && known.bytes > 0 && !spared.has(digest)
  )
  for (const [digest] of evictable) expect(model.outgrown.has(digest), "keeps what has to go").toBe(false)
  if (evictable.length > 0) expect(ledger.used, "stops too soon").toBeLessThanOrEqual(rules.high)
}

const step = fc.record({
  what: fc.constantFrom(
    "found",
    "read",
    "done",
    "begin",
    "grow",
    "finish",
    "end",
    "survey",
    "drain",
    "spare"
  ),
  which: fc.nat({ max: digests.length - 1 }),
  bytes: fc.integer({ min: 1, max: 600 }),
  /** A download of `bytes` bytes of a blob of that length, or of up to twice that length. */
  part: fc.integer({ min: 1, max: 600 })
})

const isEmpty = ({ bytes, holds, downloads }: Known) => bytes === 0 && holds === 0 && downloads === 0

test("the disk ledger evicts the least recently used idle blob, and admits what fits in addition to what is in use", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
      const ledger = new DiskLedger(rules)
      const model: Model = { known: new Map(), outgrown: new Set(), other: 0, now: 1 }
      const lengths = new Map<Digest, number>()
      for (const { what, which, bytes, part } of steps) {
        model.now++
        const digest = digests[which]!
        const known = of(model, digest)
        switch (what) {
          case "found":
            if (known.downloads > 0) break
            known.complete = bytes % 5 > 0
            if (known.complete) model.outgrown.delete(digest)
            known.bytes = bytes
            known.usedAt = Math.max(known.usedAt, model.now)
            ledger.measured({ digest, bytes, complete: known.complete, usedAt: model.now })
            break
          case "read":
            ledger.hold(digest, model.now)
            known.holds++
            known.usedAt = model.now
            break
          case "done":
            if (known.holds === 0) break
            ledger.release(digest, model.now)
            known.holds--
            known.usedAt = model.now
            break
          case "begin": {
            const capacity = rules.budget - model.other
            const length = Math.max(lengths.get(digest) ?? bytes + part, known.bytes)
            const more = Math.min(bytes, length)
            const own = isPinned(known) && !known.complete ? known.expected : 0
            const expected = Math.max(own, Math.min(length, Math.max(own, known.bytes) + more))
            const claim = Math.max(expected, known.bytes)
            const grows = claim - Math.max(own, known.bytes)
            const fits =
              known.complete ||
              expected === own ||
              (committedBytes(model) - own + claim <= capacity &&
                usedBytes(model) - model.other + bytesToCome(model) + grows <= 2 * capacity)
            const admission = ledger.admit(digest, length, bytes)
            expect(admission).toBe(more > capacity ? "too-large" : fits ? "admitted" : "no-room")
            if (!fits && expected > capacity) model.outgrown.add(digest)
            if (admission !== "admitted") break
            lengths.set(digest, length)
            if (!known.complete) known.expected = expected
            known.downloads++
            if (expected > own && !known.complete) {
              expect(ledger.committed).toBeLessThanOrEqual(ledger.capacity)
            }
            break
          }
          case "grow": {
            if (known.complete || known.downloads === 0) break
            const grown = Math.min(bytes, known.expected - known.bytes)
            if (grown <= 0) break
            ledger.grew(digest, grown, model.now)
            known.bytes += grown
            known.usedAt = model.now
            break
          }
          case "finish":
            if (known.complete || known.downloads === 0) break
            ledger.completed(digest)
            model.outgrown.delete(digest)
            known.complete = true
            break
          case "end":
            if (known.downloads === 0) break
            ledger.leave(digest)
            known.downloads--
            if (known.downloads === 0) known.expected = 0
            break
          case "survey":
            model.other = bytes % 100
            ledger.surveyed({
              kept: [...model.known].flatMap(([kept, { bytes, complete }]) =>
                bytes === 0 ? [] : [{ digest: kept, bytes, complete, usedAt: 0 }]
              ),
              other: model.other
            })
            for (const [one, value] of model.known) {
              if (value.bytes > 0) continue
              value.complete = false
              model.outgrown.delete(one)
            }
            break
          case "drain":
            drain(model, ledger, () => false)
            break
          case "spare":
            drain(model, ledger, (digest) => digest === digests[0])
        }
        for (const [one, value] of model.known) {
          if (!isEmpty(value)) continue
          model.known.delete(one)
          model.outgrown.delete(one)
        }
        for (const one of model.outgrown) expect(model.known.has(one)).toBe(true)
        if (model.outgrown.size === 0 && ledger.used <= rules.low) {
          expect(ledger.isPressed, "presses for nothing").toBe(false)
        }
        expect(ledger.used).toBe(usedBytes(model))
        expect(ledger.committed).toBe(committedBytes(model))
      }
      // Once nothing is wanted, the excess is evicted, and any download that fits the budget is admitted.
      for (const [digest, known] of model.known) {
        for (; known.holds > 0; known.holds--) {
          ledger.release(digest, model.now)
          known.usedAt = model.now
        }
        for (; known.downloads > 0; known.downloads--) ledger.leave(digest)
        known.expected = 0
      }
      const pressed = ledger.used > rules.high
      // A download that has outgrown the budget is evicted first, and that may be enough.
      const hadToGo = model.outgrown.size > 0
      drain(model, ledger, () => false)
      const enough = hadToGo ? rules.high : rules.low
      if (pressed) expect(ledger.used).toBeLessThanOrEqual(Math.max(enough, model.other))
      expect(ledger.committed).toBe(0)
      expect(ledger.admit(digests[0]!, ledger.capacity, ledger.capacity)).toBe("admitted")
    }),
    { numRuns: 500 }
  )
})
