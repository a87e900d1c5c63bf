// Same seed and options: the same run, event for event, however and wherever it is run. Another seed: another run.
//
// golden-hashes.json keeps the hashes of ten seeds, so that a change of behaviour shows in review. When one is meant,
// run this test with SHOAL_WRITE_GOLDEN=1 and say in the commit why.

import { execFileSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { Schema } from "effect"
import { describe, expect, it } from "vitest"
import { playGossip } from "./test-workload.ts"

const goldenFile = new URL("golden-hashes.json", import.meta.url)
const workload = new URL("test-workload.ts", import.meta.url).href
const Golden = Schema.Record(Schema.String, Schema.String)

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

  it("does its work: nearly everyone gets the blob, over faults", () => {
    expect(first.events).toBeGreaterThan(5_000)
    expect(first.pieces.filter((pieces) => pieces === 40).length).toBeGreaterThanOrEqual(10)
  })

  it("is the same again in this process, also after others", () => {
    playGossip({ seed: "other" })
    expect(playGossip({ seed: "1" })).toEqual(first)
  })

  it("is the same in another process", () => {
    expect(playElsewhere("1")).toBe(first.hash)
  })

  it("is the same with logging on and off", () => {
    const lines: string[] = []
    const loud = playGossip({ seed: "1", log: (line) => lines.push(line), logLevel: "Trace" })
    expect(lines.length).toBeGreaterThan(50)
    expect(loud).toEqual(first)
  })

  it("is another with another seed, latency or rate", () => {
    const others = [
      playGossip({ seed: "2" }),
      playGossip({ seed: "1", latency: 501 }),
      playGossip({ seed: "1", uplink: 100_000_000 }),
      playGossip({ seed: "1", hashRate: 1_000_000_000 })
    ]
    expect(new Set([first, ...others].map(({ hash }) => hash)).size).toBe(5)
  })
})

describe("golden hashes", () => {
  const seeds = Array.from({ length: 10 }, (_, index) => String(index + 1))

  it("of ten seeds are those that are kept", () => {
    const hashes = Object.fromEntries(seeds.map((seed) => [seed, playGossip({ seed }).hash]))
    if (process.env.SHOAL_WRITE_GOLDEN === "1") {
      writeFileSync(goldenFile, `${JSON.stringify(hashes, undefined, 2)}\n`)
    }
    const kept = Schema.decodeUnknownSync(Golden)(JSON.parse(readFileSync(goldenFile, "utf8")))
    expect(hashes).toEqual(kept)
    expect(new Set(Object.values(hashes)).size).toBe(seeds.length)
  })
})
