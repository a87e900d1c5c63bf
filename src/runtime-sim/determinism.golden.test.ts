// The trace hashes of ten simulations equal those of golden-hashes.json, so that a change of behaviour shows in
// review. `npm run golden` writes the file anew.

import { describe, expect, it } from "vitest"
import { playGossip } from "../../testing/runtime-sim/workload.ts"

const seeds = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]

describe("golden hashes of the simulator", () => {
  it("of ten seeds equal those in the file, and all differ", async () => {
    const hashes = Object.fromEntries(seeds.map((seed) => [seed, playGossip({ seed }).hash]))
    expect(new Set(Object.values(hashes)).size).toBe(seeds.length)
    await expect(`${JSON.stringify(hashes, undefined, 2)}\n`).toMatchFileSnapshot("./golden-hashes.json")
  })
})
