// Tests of the disk ledger at its boundaries: watermarks, the budget, and the blobs that have an account. Its property
// test is in disk-ledger-model.test.ts.

import { describe, expect, test } from "vitest"
import type { Digest } from "../../protocol/wire/digest.ts"
import { DiskLedger } from "./disk-ledger.ts"

const digests = ["a", "b", "c", "d", "e", "f"].map((digit) => `sha256:${digit.repeat(64)}` as Digest)
const rules = { budget: 1000, high: 900, low: 700 }

describe("disk ledger", () => {
  test("drains from the high watermark to the low one, and not below the high one", () => {
    const ledger = new DiskLedger(rules)
    const keep = (count: number) =>
      ledger.surveyed({
        kept: digests
          .slice(0, count)
          .map((digest, index) => ({ digest, bytes: 180, complete: true, usedAt: 100 - index })),
        other: 0
      })
    const none: ReadonlySet<Digest> = new Set()
    keep(5)
    expect(ledger.used).toBe(900)
    expect(ledger.victim(none)).toBeUndefined()
    keep(6)
    const went: Digest[] = []
    for (let next = ledger.victim(none); next !== undefined; next = ledger.victim(none)) {
      went.push(next)
      ledger.evicted(next)
    }
    expect(went).toEqual([digests[5], digests[4], digests[3]])
    expect(ledger.used).toBe(540)
    keep(5)
    expect(ledger.victim(none)).toBeUndefined()
  })

  test("keeps what is present and still to come within twice the budget, even if nothing can be evicted", () => {
    const ledger = new DiskLedger(rules)
    let now = 0
    const download = (digest: Digest): string => {
      const admission = ledger.admit(digest, 600, 600)
      if (admission !== "admitted") return admission
      ledger.grew(digest, 600, now)
      ledger.completed(digest)
      ledger.leave(digest)
      // Everything is being sent to a peer, so nothing is evicted.
      const spared = new Set<Digest>()
      for (let next = ledger.victim(spared); next !== undefined; next = ledger.victim(spared)) {
        ledger.spared(next, ++now)
        spared.add(next)
      }
      return admission
    }
    expect(digests.map(download).filter((admission) => admission === "admitted").length).toBe(3)
    expect(ledger.used).toBe(1800)
    ledger.victim(new Set())
    ledger.evicted(digests[0]!)
    expect(download(digests[4]!)).toBe("admitted")
  })

  test("knows which uses the store has not recorded", () => {
    const ledger = new DiskLedger(rules)
    const [first, second] = digests as [Digest, Digest]
    ledger.surveyed({
      kept: [first, second].map((digest) => ({ digest, bytes: 10, complete: true, usedAt: 100 })),
      other: 0
    })
    expect(ledger.takeUnnotedUses()).toEqual([])
    ledger.touched(second, 105)
    expect(ledger.takeUnnotedUses()).toEqual([{ digest: second, usedAt: 105 }])
    expect(ledger.takeUnnotedUses()).toEqual([])
    ledger.touched(second, 103)
    expect(ledger.takeUnnotedUses()).toEqual([])
  })

  test("evicts a download that has outgrown the budget, although the disk is calm", () => {
    const [grown, other] = digests as [Digest, Digest]
    const outgrown = () => {
      const ledger = new DiskLedger(rules)
      ledger.measured({ digest: grown, bytes: 600, complete: false, usedAt: 1 })
      ledger.measured({ digest: other, bytes: 50, complete: true, usedAt: 0 })
      expect(ledger.isPressed).toBe(false)
      expect(ledger.admit(grown, 1100, 500)).toBe("no-room")
      expect(ledger.isPressed).toBe(true)
      return ledger
    }
    const evicting = outgrown()
    expect(evicting.victim(new Set([grown]))).toBeUndefined()
    expect(evicting.victim(new Set())).toBe(grown)
    evicting.evicted(grown)
    expect(evicting.isPressed).toBe(false)
    expect(evicting.used).toBe(50)

    const completed = outgrown()
    completed.measured({ digest: grown, bytes: 600, complete: true, usedAt: 2 })
    expect(completed.isPressed).toBe(false)
    expect(completed.victim(new Set())).toBeUndefined()

    const removed = outgrown()
    removed.missing(grown)
    expect(removed.isPressed).toBe(false)
  })

  test("stops draining below the high watermark when everything left is in use", () => {
    for (const [idle, isPressed] of [
      [101, false],
      [100, false],
      [99, true]
    ] as const) {
      const ledger = new DiskLedger(rules)
      const [held, evictable] = digests as [Digest, Digest]
      ledger.measured({ digest: held, bytes: 1000 - idle, complete: true, usedAt: 1 })
      ledger.measured({ digest: evictable, bytes: idle, complete: true, usedAt: 2 })
      ledger.hold(held, 3)
      expect(ledger.victim(new Set())).toBe(evictable)
      ledger.evicted(evictable)
      expect(ledger.victim(new Set())).toBeUndefined()
      expect(ledger.isPressed, `${ledger.used} bytes in use`).toBe(isPressed)
    }
  })

  test("admits up to exactly the budget in use, and twice the budget with what is idle", () => {
    const [idle, first, second] = digests as [Digest, Digest, Digest]
    const begun = (idleBytes: number) => {
      const ledger = new DiskLedger(rules)
      ledger.measured({ digest: idle, bytes: idleBytes, complete: true, usedAt: 1 })
      expect(ledger.admit(first, 500, 500)).toBe("admitted")
      return ledger
    }
    expect(begun(1000).admit(second, 501, 501)).toBe("no-room")
    expect(begun(1000).admit(second, 500, 500)).toBe("admitted")
    expect(begun(1001).admit(second, 500, 500)).toBe("no-room")
    // Bytes that have arrived are no longer to come.
    const arrived = begun(1000)
    arrived.grew(first, 500, 2)
    expect(arrived.admit(second, 500, 500)).toBe("admitted")
  })

  test("has no account for a blob without bytes, readers and downloads", () => {
    const ledger = new DiskLedger(rules)
    const [blob, large] = digests as [Digest, Digest]
    const sizes: number[] = []
    const after = (change: () => unknown) => {
      change()
      sizes.push(ledger.size)
    }
    expect(ledger.isEvicting(blob)).toBe(false)
    after(() => ledger.touched(blob, 1))
    after(() => ledger.hold(blob, 1))
    after(() => ledger.release(blob, 2))
    after(() => ledger.admit(blob, 800, 800))
    after(() => ledger.admit(large, 300, 300))
    after(() => ledger.leave(blob))
    after(() => ledger.measured({ digest: blob, bytes: 10, complete: true, usedAt: 3 }))
    after(() => ledger.hold(blob, 4))
    after(() => ledger.missing(blob))
    after(() => ledger.release(blob, 5))
    expect(sizes).toEqual([0, 1, 0, 1, 1, 0, 1, 1, 1, 0])
    ledger.measured({ digest: blob, bytes: 1000, complete: true, usedAt: 6 })
    expect(ledger.victim(new Set())).toBe(blob)
    after(() => ledger.missing(blob))
    after(() => ledger.evicted(blob))
    expect(sizes.slice(-2)).toEqual([1, 0])
    after(() => ledger.surveyed({ kept: [{ digest: blob, bytes: 1, complete: true, usedAt: 7 }], other: 0 }))
    after(() => ledger.surveyed({ kept: [], other: 0 }))
    expect(sizes.slice(-2)).toEqual([1, 0])
  })
})
