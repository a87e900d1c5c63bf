// Tests of the strategy `shoal` with an image of several blobs: all blobs reach all agents from the owners of each
// blob, equal runs are equal, and parameters change rules.

import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { silentProgress } from "../engine/progress.ts"
import { boundOf } from "../flash-crowd/crowd-bound.ts"
import type { CrowdOutcome, FlashCrowd } from "../flash-crowd/flash-crowd.ts"
import { shoal } from "./shoal.ts"

const MiB = 2 ** 20

const spec: FlashCrowd = {
  seed: 3,
  agents: 30,
  origins: 5,
  trackers: 2,
  blobs: [
    { name: "layer", length: 10 * MiB, pieceLength: MiB / 4 },
    { name: "small layer", length: 3 * MiB + 1000, pieceLength: MiB / 2 }
  ],
  links: { model: "fair", rate: 5e7, burst: 0, latency: 500 },
  patience: 60e6
}

const run = (of: FlashCrowd, parameters: Readonly<Record<string, string>> = {}): Promise<CrowdOutcome> =>
  Effect.runPromise(shoal.run(of, parameters, silentProgress))

describe("shoal", () => {
  it("brings every blob of an image to every agent, twice with the same trace", async () => {
    const [first, second] = [await run(spec), await run(spec)]
    assert.deepStrictEqual(second, first)
    assert.strictEqual(first.pieceTransfers, 30 * (40 + 7))
    assert.isBelow(Math.max(...first.completions) / 1e6, 3 * boundOf(spec).seconds)
    assert.isAbove(first.bytesFromAgents, first.bytesFromOrigins)
    assert.strictEqual(first.samples.at(-1)!.storedBytes, 30 * (13 * MiB + 1000))
  })

  it("keeps the rate of a slow agent, and slows no other one", async () => {
    const slow = { ...spec, links: { ...spec.links, slow: { agents: 1, rate: 5e6 } } }
    const { completions } = await run(slow)
    assert.isAbove(completions[29]!, (13 * MiB * 1e6) / 5e6)
    assert.isBelow(Math.max(...completions.slice(0, 29)), (13 * MiB * 1e6) / 5e6)
  })

  it("completes where five pieces take longer than the timeout of one", async () => {
    const slow = {
      ...spec,
      blobs: [{ name: "layer", length: 4 * MiB, pieceLength: MiB / 4 }] as const,
      links: { ...spec.links, slow: { agents: 2, rate: 125_000 } },
      patience: 120e6
    }
    const { completions, counts } = await run(slow)
    assert.isBelow(Math.max(...completions) / 1e6, 1.3 * boundOf(slow).seconds)
    assert.isBelow(counts.duplicate_pieces!, 12)
  })

  it("keeps the rate by token buckets when there is a burst", async () => {
    const burst = { ...spec, links: { ...spec.links, burst: MiB } }
    const { completions } = await run(burst)
    assert.isAtLeast(Math.max(...completions) / 1e6, boundOf(burst).seconds)
    assert.isBelow(Math.max(...completions) / 1e6, 3 * boundOf(spec).seconds)
  })

  it("applies its parameters to peers and trackers", async () => {
    const [shipped, sparse] = [
      await run(spec),
      await run(spec, { targetNeighbours: "3", maxNeighbours: "4", maxRequestsPerSwarm: "1" })
    ]
    assert.notStrictEqual(sparse.traceHash, shipped.traceHash)
    assert.isAbove(Math.max(...sparse.completions), Math.max(...shipped.completions))
  })

  it("refuses impossible parameters with the reason", () => {
    assert.isUndefined(shoal.refusal(spec, {}))
    assert.include(shoal.refusal(spec, { targetNeighbours: "30" }), "30 neighbours")
    assert.include(shoal.refusal(spec, { maxUploadQueue: "1" }), "queue of 1")
    assert.include(shoal.refusal(spec, { degree: "1" }), "unknown parameter degree")
  })
})
