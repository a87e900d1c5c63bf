// Determinism: the same seed and options give the same run, event for event, in any process and order. Another seed
// gives another run.

import { execFileSync } from "node:child_process"
import { describe, expect, it } from "vitest"
import { playGossip } from "../../testing/runtime-sim/workload.ts"

const workload = new URL("../../testing/runtime-sim/workload.ts", import.meta.url).href

const playElsewhere = (seed: string): string =>
  execFileSync(
    process.execPath,
    [
      "--input-type=module",
      "--eval",
      `const { playGossip } = await import(${JSON.stringify(workload)})
       process.stdout.write(playGossip({ seed: ${JSON.stringify(seed)} }).hash)`
    ],
    { encoding: "utf8" }
  )

describe("a simulation", () => {
  const first = playGossip({ seed: "1" })

  it("does its work: nearly every peer gets the blob despite faults", () => {
    expect(first.events).toBeGreaterThan(5_000)
    expect(first.pieces.filter((pieces) => pieces === 40).length).toBeGreaterThanOrEqual(10)
  })

  it("repeats in this process, also after other simulations", () => {
    playGossip({ seed: "other" })
    expect(playGossip({ seed: "1" })).toEqual(first)
  })

  it("is the same in another process", () => {
    expect(playElsewhere("1")).toBe(first.hash)
  })

  it("is the same with and without logging", () => {
    const lines: string[] = []
    const loud = playGossip({ seed: "1", log: (line) => lines.push(line), logLevel: "Trace" })
    expect(lines.length).toBeGreaterThan(50)
    expect(loud).toEqual(first)
  })

  it("changes with its seed, latency or rate", () => {
    const others = [
      playGossip({ seed: "2" }),
      playGossip({ seed: "1", latency: 501 }),
      playGossip({ seed: "1", uplink: 100_000_000 }),
      playGossip({ seed: "1", hashRate: 1_000_000_000 })
    ]
    expect(new Set([first, ...others].map(({ hash }) => hash)).size).toBe(5)
  })
})
