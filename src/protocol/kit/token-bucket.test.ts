// Invariants of the token bucket under arbitrary schedules, in exact arithmetic; millions of calls do not drift.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { InvariantViolation } from "./invariant.ts"
import { seconds } from "./time.ts"
import { TokenBucket } from "./token-bucket.ts"

const rate = fc.record({
  bytesPerSecond: fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 20_000_000_000 })),
  burstBytes: fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 0, max: 100_000_000 }))
})
const schedule = fc.array(
  fc.record({
    wait: fc.oneof(
      fc.constant(0),
      fc.integer({ min: 0, max: 2_000_000 }),
      fc.integer({ min: 0, max: 5_000_000_000 })
    ),
    bytes: fc.oneof(
      fc.constant(0),
      fc.integer({ min: 0, max: 3000 }),
      fc.integer({ min: 0, max: 16_777_216 })
    )
  }),
  { minLength: 1, maxLength: 40 }
)

interface Grant {
  readonly asked: number
  readonly at: number
  readonly bytes: number
}

const run = (
  limit: { readonly bytesPerSecond: number; readonly burstBytes: number },
  requests: readonly { readonly wait: number; readonly bytes: number }[]
): readonly Grant[] => {
  const start = 1_000
  const bucket = new TokenBucket(limit, start)
  let now = start
  return requests.map(({ wait, bytes }) => {
    now += wait
    return { asked: now, at: bucket.reserve(bytes, now), bytes }
  })
}

describe("any schedule", () => {
  test("is answered in order, by integer instants that have not passed", () => {
    fc.assert(
      fc.property(rate, schedule, (limit, requests) => {
        let previous = 0
        for (const { asked, at } of run(limit, requests)) {
          expect(Number.isSafeInteger(at)).toBe(true)
          expect(at).toBeGreaterThanOrEqual(asked)
          expect(at).toBeGreaterThanOrEqual(previous)
          previous = at
        }
      })
    )
  })

  test("grants in any window at most burst + rate x length + the largest request", () => {
    fc.assert(
      fc.property(rate, schedule, (limit, requests) => {
        const grants = run(limit, requests)
        const largest = BigInt(Math.max(...grants.map(({ bytes }) => bytes)))
        for (let first = 0; first < grants.length; first++) {
          let bytes = 0n
          for (let last = first; last < grants.length; last++) {
            bytes += BigInt(grants[last]!.bytes)
            // Both ends count, since an answer is rounded up to a microsecond.
            const window = BigInt(grants[last]!.at - grants[first]!.at + 1)
            const allowed =
              (BigInt(limit.burstBytes) + largest) * 1_000_000n + BigInt(limit.bytesPerSecond) * window
            expect(bytes * 1_000_000n <= allowed).toBe(true)
          }
        }
      }),
      { numRuns: 300 }
    )
  })

  test("grants since the start at most burst + rate x time: no request goes before it is paid for", () => {
    fc.assert(
      fc.property(rate, schedule, (limit, requests) => {
        let bytes = 0n
        for (const grant of run(limit, requests)) {
          bytes += BigInt(grant.bytes)
          const allowed =
            BigInt(limit.burstBytes) * 1_000_000n + BigInt(limit.bytesPerSecond) * BigInt(grant.at - 1_000)
          expect(bytes * 1_000_000n <= allowed).toBe(true)
        }
      }),
      { numRuns: 300 }
    )
  })

  test("never waits longer than necessary: a microsecond earlier the bucket holds too little", () => {
    fc.assert(
      fc.property(rate, schedule, (limit, requests) => {
        // The exact definition of the bucket: tokens x 10^6, capped at the burst only while nothing waits.
        const grants = run(limit, requests)
        const refill = BigInt(limit.bytesPerSecond)
        const burst = BigInt(limit.burstBytes) * 1_000_000n
        let tokens = burst
        let clock = 1_000
        for (const { asked, at, bytes } of grants) {
          tokens += refill * BigInt(asked - clock)
          clock = asked
          if (tokens > burst) tokens = burst
          tokens -= BigInt(bytes) * 1_000_000n
          expect(tokens + refill * BigInt(at - asked) >= 0n).toBe(true)
          if (at > asked) expect(tokens + refill * BigInt(at - asked - 1) < 0n).toBe(true)
        }
      }),
      { numRuns: 300 }
    )
  })
})

describe("a bucket", () => {
  const bucketOf = (bytesPerSecond: number, burstBytes: number) =>
    new TokenBucket({ bytesPerSecond, burstBytes }, 0)

  test("that idled holds no more than its burst", () => {
    const bucket = bucketOf(1000, 500)
    expect(bucket.reserve(500, seconds(3600))).toBe(seconds(3600))
    expect(bucket.reserve(1, seconds(3600))).toBe(seconds(3600) + 1000)
  })

  test("smaller than a piece grants the piece after as many refills as it needs", () => {
    const bucket = bucketOf(1000, 250)
    expect(bucket.reserve(4000, 0)).toBe(seconds(3.75))
    expect(bucket.reserve(4000, 0)).toBe(seconds(7.75))
    expect(bucket.reserve(0, 0)).toBe(seconds(7.75))
  })

  test("without a burst is a plain serialiser", () => {
    const bucket = bucketOf(1000, 0)
    expect(bucket.reserve(1, 0)).toBe(1000)
    expect(bucket.reserve(1, 0)).toBe(2000)
    expect(bucket.reserve(1, 10_000)).toBe(11_000)
  })

  test("does not drift: three million bytes at a rate that divides nothing take exactly their time", () => {
    const bytesPerSecond = 999_983
    const bucket = bucketOf(bytesPerSecond, 0)
    let at = 0
    for (let sent = 0; sent < 3_000_000; sent++) at = bucket.reserve(1, 0)
    expect(at).toBe(Math.ceil((3_000_000 * 1_000_000) / bytesPerSecond))

    const asked = bucketOf(bytesPerSecond, 0)
    let now = 0
    for (let sent = 0; sent < 1_000_000; sent++) now = asked.reserve(7, Math.max(0, now - 3))
    expect(now).toBe(Math.ceil((7_000_000 * 1_000_000) / bytesPerSecond))
  })

  test("refuses a rate or a request that is not a number of bytes", () => {
    expect(() => bucketOf(0, 1)).toThrow(InvariantViolation)
    expect(() => bucketOf(1.5, 1)).toThrow(InvariantViolation)
    expect(() => bucketOf(1, -1)).toThrow(InvariantViolation)
    for (const bytes of [-1, 0.5, Number.NaN, 1e16]) {
      expect(() => bucketOf(1, 1).reserve(bytes, 0)).toThrow(InvariantViolation)
    }
  })
})

describe("take", () => {
  test("grants at most burst and refill, refuses without spending, and tells when it will grant", () => {
    fc.assert(
      fc.property(rate, schedule, (limit, requests) => {
        const bucket = new TokenBucket(limit, 0)
        let now = 0
        let taken = 0n
        for (const { wait, bytes } of requests) {
          now += wait
          const refused = bucket.take(bytes, now)
          if (refused > 0) {
            // A refusal costs nothing: the request may go at the instant that was told, not a microsecond earlier.
            if (bytes <= limit.burstBytes) {
              expect(bucket.take(bytes, now + refused - 1)).toBeGreaterThan(0)
              now += refused
              expect(bucket.take(bytes, now)).toBe(0)
            } else continue
          }
          taken += BigInt(bytes)
          const most = BigInt(limit.burstBytes) * 1_000_000n + BigInt(limit.bytesPerSecond) * BigInt(now + 1)
          expect(taken * 1_000_000n <= most).toBe(true)
        }
      })
    )
  })
})
