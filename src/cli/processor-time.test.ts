// Shares of processors lie between 0 and 1, and a process that does not exist is reported in one line.

import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { machineBusyNow, processorUseDuring } from "./processor-time.ts"

/** Beyond the highest number that Linux gives to a process. */
const nobody = 2 ** 22 + 1

describe("the use of processors", () => {
  it("is told with the value of what ran, as shares of all cores", async () => {
    const work = Effect.sleep("50 millis").pipe(Effect.as("done"))
    const [value, { own, machine }] = await Effect.runPromise(processorUseDuring([process.pid], work))
    expect(value).toBe("done")
    for (const share of [own, machine]) {
      expect(share).toBeGreaterThanOrEqual(0)
      expect(share).toBeLessThanOrEqual(1)
    }
    expect(await Effect.runPromise(machineBusyNow)).toBeLessThanOrEqual(1)
  })

  it("fails in one line when a process is gone", async () => {
    const failure = await Effect.runPromise(Effect.flip(processorUseDuring([nobody], Effect.void)))
    expect(failure.message).toMatch(/^cannot read the use of processors \(.*\): measure on Linux$/)
  })
})
