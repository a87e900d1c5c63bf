// The trace hashes of ten small runs of first-wave are those of golden-hashes.json, so that a change of behaviour shows
// in review. `npm run golden` writes the file again.

import { Effect } from "effect"
import { assert, describe, expect, it } from "vitest"
import { silentProgress } from "../engine/progress.ts"
import { concludeReport, measureHere, planReport } from "../engine/report.ts"
import { firstWave } from "./first-wave.ts"

const options = { agents: "24", origins: "2", size: "6MiB" }
const seeds = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]

const hashOf = (seed: string) =>
  planReport(firstWave, { seeds: seed, options }).pipe(
    Effect.flatMap((plan) => concludeReport(plan, measureHere(silentProgress))),
    Effect.map(({ result }) => result.trace_hash),
    Effect.runPromise
  )

describe("golden hashes of first-wave", () => {
  it("of ten seeds are the kept ones, all different", async () => {
    const hashes: Record<string, string> = {}
    for (const seed of seeds) hashes[seed] = await hashOf(seed)
    assert.strictEqual(new Set(Object.values(hashes)).size, seeds.length)
    const kept = { experiment: "first-wave", options, hashes }
    await expect(`${JSON.stringify(kept, undefined, 2)}\n`).toMatchFileSnapshot("./golden-hashes.json")
  })
})
