// Tests of the twin of processes on shaped links: it is a function of its options and seed, and no agent is faster than
// a link.

import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import type { Micros } from "../../src/protocol/kit/time.ts"
import { boundOfLinks, goodputOfLinks, limitOf, type ShapedLinks, simulateLinks } from "./simulated-links.ts"

const MiB = 1024 * 1024
const links: ShapedLinks = { agents: 4, size: 8 * MiB, pieceLength: MiB / 4, rate: 5_000_000 }

const secondsOf = (completions: ReadonlyArray<Micros>) => completions.map((micros) => micros / 1e6)

describe("a simulated flash crowd on shaped links", () => {
  it("is the same for the same seed, and ends after the bound", async () => {
    const [first, again] = await Promise.all(
      [1, 1].map((seed) => Effect.runPromise(simulateLinks(links, "fair", seed)))
    )
    expect(first).toEqual(again)
    expect(first!.completions).toHaveLength(links.agents)
    expect(Math.max(...secondsOf(first!.completions))).toBeGreaterThan(boundOfLinks(links))
    expect(Math.min(...secondsOf(first!.completions))).toBeGreaterThan(links.size / goodputOfLinks(links))
  })

  it("has the product's own limit above the link, with the bound of that limit", async () => {
    const limited = { ...links, limiter: 0.5 }
    expect(limitOf(links)).toBeUndefined()
    expect(limitOf(limited)).toBe(Math.round(goodputOfLinks(links) / 2))
    expect(boundOfLinks(limited)).toBeGreaterThan(1.9 * boundOfLinks(links))
    const { completions } = await Effect.runPromise(simulateLinks(limited, "fair", 1))
    // The burst of the origin and of an agent is not limited.
    expect(Math.min(...secondsOf(completions))).toBeGreaterThan((links.size - 2 * MiB) / limitOf(limited)!)
  })
})
