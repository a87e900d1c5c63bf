// Tests of the checks of a flash crowd: an outcome that is too good, or that loses bytes, is not credible.

import { assert, describe, it } from "vitest"
import { boundOf, floorOf } from "./crowd-bound.ts"
import { doubtOf } from "./crowd-checks.ts"
import type { CrowdOutcome, FlashCrowd } from "./flash-crowd.ts"

const blob = (name: string, pieces: number) => ({ name, length: pieces * 2 ** 18, pieceLength: 2 ** 18 })
const layer = blob("layer", 16)

const spec = (change: Partial<FlashCrowd> = {}): FlashCrowd => ({
  seed: 1,
  agents: 3,
  origins: 1,
  trackers: 1,
  blobs: [layer],
  links: { model: "fair", rate: 1e8, burst: 0, latency: 500 },
  patience: 1e9,
  ...change
})

const noShare = { p10: 0, p50: 0, p90: 0 }
const noUse = { busy: noShare, carried: noShare }

const micros = (seconds: number): number => Math.ceil(seconds * 1e6)

/** The outcome of a flash crowd in which all agents complete at the bound, with changes. */
const outcome = (of: FlashCrowd, change: Partial<CrowdOutcome> = {}): CrowdOutcome => {
  const bytes = of.blobs.reduce((sum, { length }) => sum + length, 0) * of.agents
  const completions =
    change.completions ?? Array.from({ length: of.agents }, () => micros(boundOf(of).seconds))
  return {
    traceHash: "",
    events: 0,
    completions,
    blobCompletions: of.blobs.map(() => completions),
    samples: [],
    allOutside: { at: 1, sentByOrigins: 1 },
    pieceTransfers: bytes / 2 ** 18,
    bytesFromOrigins: bytes,
    bytesFromAgents: 0,
    bytesSent: bytes,
    linkUse: { uplink: noUse, downlink: noUse },
    counts: {},
    ...change
  }
}

describe("doubtOf", () => {
  it("believes a flash crowd that is as fast as the bound", () => {
    assert.isUndefined(doubtOf(spec(), outcome(spec())))
  })

  it("doubts a last agent before the bound, and names the bound", () => {
    const bound = micros(boundOf(spec()).seconds)
    const completions = [bound - 5, bound - 2, bound - 3]
    assert.include(doubtOf(spec(), outcome(spec(), { completions })), "before the counting bound")
  })

  it("counts an origin with faster links as several, and believes an early last agent of a spread start", () => {
    const two = spec({ agents: 8 })
    const fast = spec({ agents: 8, links: { ...two.links, originRate: 4e8 } })
    const four = spec({ agents: 8, links: { ...two.links, originRate: 3.1e8 } })
    assert.isBelow(boundOf(fast).seconds, boundOf(two).seconds)
    assert.strictEqual(boundOf(four).seconds, boundOf(fast).seconds)
    assert.closeTo(boundOf(fast).seconds, (17 * 2 ** 18) / 1e8 + 0.0005, 1e-9)
    const early = outcome(two, {
      completions: two.blobs.flatMap(() => Array(8).fill(micros(boundOf(fast).seconds)))
    })
    assert.include(doubtOf(two, early), "before the counting bound")
    assert.isUndefined(doubtOf({ ...two, spread: 1 }, early))
  })

  it("doubts one agent before its floor, even if the last is late", () => {
    const bound = micros(boundOf(spec()).seconds)
    const floor = floorOf(spec(), 0, [layer]) * 1e6
    const at = (early: number) => outcome(spec(), { completions: [2 * bound, early, bound] })
    assert.isUndefined(doubtOf(spec(), at(Math.ceil(floor))))
    assert.include(doubtOf(spec(), at(Math.floor(floor) - 2)), "agent 2 completed")
  })

  it("compares a slow agent with its downlink, and the flash crowd with the slow agent", () => {
    const slow = spec({ links: { ...spec().links, slow: { agents: 1, rate: 1e7 } } })
    assert.strictEqual(boundOf(slow).name, "fluid bound")
    assert.closeTo(boundOf(slow).seconds, layer.length / 1e7 + 0.0005, 1e-9)
    const bound = micros(boundOf(slow).seconds)
    const quick = micros(boundOf(spec()).seconds)
    assert.isUndefined(doubtOf(slow, outcome(slow, { completions: [quick, quick, bound] })))
    assert.include(doubtOf(slow, outcome(slow, { completions: [bound, quick, quick] })), "agent 3 completed")
  })

  it("doubts a blob before its floor, and an image that is not complete with its last blob", () => {
    const config = blob("config", 4)
    const image = spec({ blobs: [layer, config] })
    const done = outcome(image).completions
    const having = (small: ReadonlyArray<number>) => outcome(image, { blobCompletions: [done, small] })
    const floor = Math.ceil(floorOf(image, 0, [config]) * 1e6)
    const [bound = 0] = done
    assert.isUndefined(doubtOf(image, having([floor, floor, floor])))
    assert.include(doubtOf(image, having([floor, floor - 3, floor])), "agent 2 had config")
    assert.include(doubtOf(image, having([floor, floor, bound + 1])), "agent 3 had the image")
    const early = { completions: done.map((at) => at + 1), blobCompletions: [done, done] }
    assert.include(doubtOf(image, outcome(image, early)), "agent 1 had the image")
  })

  it("doubts pieces, bytes and agents that do not add up", () => {
    const bytes = outcome(spec()).bytesFromOrigins
    const doubt = (change: Partial<CrowdOutcome>) => doubtOf(spec(), outcome(spec(), change))
    assert.include(doubt({ pieceTransfers: 47 }), "47 pieces were stored")
    assert.include(doubt({ bytesFromOrigins: bytes - 1 }), "less than")
    assert.include(doubt({ bytesFromAgents: 5, bytesSent: bytes + 4 }), "only")
    assert.include(doubt({ completions: [1, 2] }), "2 agents")
  })

  it("counts the origins that own a blob of the image as sources", () => {
    const many = spec({ origins: 9, agents: 1000 })
    const three = spec({ origins: 3, agents: 1000 })
    assert.strictEqual(boundOf(many).seconds, boundOf(three).seconds)
    assert.isBelow(boundOf(three).seconds, boundOf(spec({ agents: 1000 })).seconds)
  })
})
