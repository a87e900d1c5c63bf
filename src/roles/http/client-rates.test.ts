// The rate of each client, whatever other clients do, and the bound of the table.

import fc from "fast-check"
import { expect, test } from "vitest"
import { seconds } from "../../protocol/kit/time.ts"
import { ClientRates } from "./client-rates.ts"

const arrivals = fc.array(
  fc.record({ client: fc.integer({ min: 0, max: 5 }), wait: fc.integer({ min: 0, max: 400_000 }) }),
  { maxLength: 200 }
)

test("a client gets its burst and rate, whether others ask or not", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 10 }),
      arrivals,
      (rate, burst, asked) => {
        const make = () => new ClientRates({ perSecond: rate, burst, maxClients: 6 })
        const together = make()
        const alone = Array.from({ length: 6 }, make)
        const first = new Map<number, number>()
        const through = new Map<number, number>()
        let now = 0
        for (const { client, wait } of asked) {
          now += wait
          const retryAfter = together.admit(`client ${client}`, now)
          expect(retryAfter).toBe(alone[client]!.admit("it", now))
          if (!first.has(client)) first.set(client, now)
          if (retryAfter === 0) through.set(client, (through.get(client) ?? 0) + 1)
          const elapsed = now - first.get(client)!
          expect(through.get(client) ?? 0).toBeLessThanOrEqual(burst + (rate * (elapsed + 1)) / seconds(1))
        }
      }
    )
  )
})

test("keeps at most its maximum of clients, and forgets the one that was silent longest", () => {
  const rates = new ClientRates({ perSecond: 1, burst: 1, maxClients: 3 })
  for (const client of ["a", "b", "c"]) expect(rates.admit(client, 0)).toBe(0)
  expect(rates.admit("a", 0)).toBe(seconds(1))
  expect(rates.admit("d", 0)).toBe(0)
  expect(rates.size).toBe(3)
  // "b" was forgotten and begins anew; "a", although refused, was active later.
  expect(rates.admit("a", 0)).toBe(seconds(1))
  expect(rates.admit("b", 0)).toBe(0)
  for (let index = 0; index < 1000; index++) rates.admit(String(index), index)
  expect(rates.size).toBe(3)
})
