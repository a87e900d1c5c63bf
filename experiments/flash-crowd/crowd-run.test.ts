// Tests of flash crowds of the shipped roles: link models, shared links of racks, rules of the swarm, and failures in
// words when a flash crowd does not end.

import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { silentProgress } from "../engine/progress.ts"
import { boundOf } from "./crowd-bound.ts"
import { type CrowdOverrides, crowdMemory, runFlashCrowd } from "./crowd-run.ts"
import type { FlashCrowd } from "./flash-crowd.ts"

const spec: FlashCrowd = {
  seed: 1,
  agents: 16,
  origins: 2,
  trackers: 1,
  blobs: [{ name: "layer", length: 8 * 2 ** 20, pieceLength: 2 ** 18 }],
  links: { model: "fair", rate: 5e7, burst: 0, latency: 500 },
  patience: 60e6
}

const run = (of: FlashCrowd, overrides: CrowdOverrides = {}) =>
  Effect.runPromise(runFlashCrowd(of, overrides, silentProgress))

const last = (completions: ReadonlyArray<number>): number => Math.max(...completions) / 1e6

describe("runFlashCrowd", () => {
  it("runs on every link model, on none faster than the bound", async () => {
    for (const model of ["queue", "fair", "fair-exact"] as const) {
      const { completions } = await run({ ...spec, links: { ...spec.links, model } })
      assert.isAtLeast(last(completions), boundOf(spec).seconds, model)
      assert.isBelow(last(completions), 2 * boundOf(spec).seconds, model)
    }
  })

  it("puts hosts into racks whose links they share", async () => {
    const fair = { ...spec, links: { ...spec.links, model: "fair" as const } }
    // Only agents are in the second rack, so the first copy of every byte comes over its link.
    const place = (role: string) => ({ rack: role === "agent" ? "agents" : "others" })
    const racks = { uplink: 4e6, downlink: 4e6 }
    const { completions } = await run(fair, { place, world: { racks } })
    assert.isAbove(last(completions), spec.blobs[0].length / 4e6)
    await run(fair, { place })
  })

  it("applies other rules to peers and trackers", async () => {
    const { agents: shipped } = await run(spec)
    const { agents: sparse } = await run(spec, { rules: { targetNeighbours: 2, maxNeighbours: 3 } })
    assert.isBelow(sparse.connectionsAccepted, shipped.connectionsAccepted)
  })

  it("names the number of missing pulls when it takes too long", async () => {
    const failure = await Effect.runPromise(
      Effect.flip(runFlashCrowd({ ...spec, patience: 50_000 }, {}, silentProgress))
    )
    assert.match(failure.message, /^\d+ of 16 pulls are not done after 0.05 s/)
  })

  it("fails in words when the network is impossible", async () => {
    const racks = { uplink: 4e6, downlink: 4e6 }
    const onQueues: FlashCrowd = { ...spec, links: { ...spec.links, model: "queue" } }
    const failure = await Effect.runPromise(
      Effect.flip(runFlashCrowd(onQueues, { world: { racks } }, silentProgress))
    )
    assert.include(failure.message, "queue")
  })
})

describe("crowdMemory", () => {
  // Peaks of `experiments/bench/bench-point.ts` less those of a process that measures almost nothing, 2026-11-30, links
  // fair; the last one is that of `scale`.
  const measured: ReadonlyArray<readonly [agents: number, blobs: number, pieces: number, mebibytes: number]> =
    [
      [250, 1, 512, 184],
      [1000, 1, 128, 285],
      [4000, 1, 16, 726],
      [2600, 2, 375, 1150],
      [15_000, 1, 954, 3480]
    ]

  it.for(measured)(
    "is near what %d agents with %d blobs of %d pieces took",
    ([agents, blobs, pieces, mebibytes]) => {
      const blob = { name: "layer", length: pieces * 2 ** 20, pieceLength: 2 ** 20 }
      const [first, ...others] = Array.from({ length: blobs }, () => blob)
      const ratio = crowdMemory({ agents, blobs: [first!, ...others] }) / 2 ** 20 / mebibytes
      assert.isAbove(ratio, 0.7)
      assert.isBelow(ratio, 1.4)
    }
  )
})
