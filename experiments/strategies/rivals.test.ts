// Tests of all rivals in whole flash crowds: each completes, repeats itself, keeps to its bound and loses no byte. An
// outcome that is not credible fails the run, by the same checks as those of the shipped roles.

import { Effect, Exit } from "effect"
import { describe, expect, test } from "vitest"
import { silentProgress } from "../engine/progress.ts"
import { boundOf } from "../flash-crowd/crowd-bound.ts"
import type { CrowdBlob, FlashCrowd } from "../flash-crowd/flash-crowd.ts"
import { runBinomial } from "./binomial.ts"
import { findStrategy, strategies } from "./registry.ts"

const megabyte = 1_000_000

const blob = (name: string, pieces: number, rest = 0): CrowdBlob => ({
  name,
  length: pieces * 4 * megabyte + rest,
  pieceLength: 4 * megabyte
})

const spec: FlashCrowd = {
  seed: 1,
  agents: 60,
  origins: 3,
  trackers: 2,
  blobs: [blob("layer", 40)],
  links: { model: "fair", rate: 300 * megabyte, burst: 0, latency: 500 },
  patience: 600_000_000
}

const image: FlashCrowd = {
  ...spec,
  agents: 30,
  origins: 5,
  blobs: [blob("base", 20, 1_234_567), blob("top", 7, 1)]
}

const run = (name: string, crowd: FlashCrowd, parameters: Readonly<Record<string, string>> = {}) =>
  Effect.runPromise(
    Effect.flatMap(findStrategy(name), (strategy) => strategy.run(crowd, parameters, silentProgress))
  )

const secondsOf = (completions: ReadonlyArray<number>): number => Math.max(...completions) / 1e6

const rivals = strategies.map(({ name }) => name).filter((name) => name !== "shoal")

test("the registry holds five rivals", () => {
  expect(rivals).toEqual(["kraken", "client-server", "supernode", "tree", "binomial"])
})

describe.each(rivals)("%s", (name) => {
  test("completes on 60 hosts, with the same trace each time, not before the bound", async () => {
    const first = await run(name, spec)
    expect(first.completions.every((at) => at > 0)).toBe(true)
    expect(secondsOf(first.completions)).toBeGreaterThanOrEqual(boundOf(spec).seconds)
    expect(first.pieceTransfers).toBe(60 * 40)
    expect(first.samples[0]).toMatchObject({ at: 0, storedBytes: 0 })
    expect(first.samples.at(-1)).toMatchObject({ storedBytes: 60 * 160 * megabyte })
    expect(first.allOutside.sentByOrigins).toBeGreaterThanOrEqual(160 * megabyte - 4 * megabyte)
    expect((await run(name, spec)).traceHash).toBe(first.traceHash)
  })

  test("an image is complete with the last of its blobs", async () => {
    const outcome = await run(name, image)
    expect(outcome.blobCompletions.map((blobs) => blobs.length)).toEqual([30, 30])
    for (const [agent, at] of outcome.completions.entries()) {
      expect(Math.max(...outcome.blobCompletions.map((blobs) => blobs[agent]!))).toBe(at)
    }
  })

  test("keeps its rate by token buckets when there is a burst", async () => {
    const { links } = image
    const outcome = await run(name, {
      ...image,
      links: { ...links, rate: 50 * megabyte, burst: 50 * megabyte }
    })
    const slow = await run(name, { ...image, links: { ...links, rate: 50 * megabyte } })
    expect(secondsOf(outcome.completions)).toBeLessThan(secondsOf(slow.completions) + 1)
    expect(secondsOf(outcome.completions)).toBeGreaterThan(boundOf(image).seconds / 10)
  })

  test("runs on fair links", async () => {
    const outcome = await run(name, { ...image, agents: 8, links: { ...image.links, model: "fair" } })
    expect(outcome.completions).toHaveLength(8)
  })

  test("a slow host is slow", async () => {
    const slow = { agents: 1, rate: 20 * megabyte }
    const outcome = await run(name, { ...image, links: { ...image.links, slow } })
    expect(outcome.completions[29]! / 1e6).toBeGreaterThanOrEqual((27 * 4 * megabyte) / slow.rate)
  })

  test("a flash crowd that takes too long fails with the reason", async () => {
    const exit = await Effect.runPromiseExit(
      Effect.flatMap(findStrategy(name), (strategy) =>
        strategy.run({ ...image, patience: 10_000 }, {}, silentProgress)
      )
    )
    expect(String(exit)).toMatch(/30 of 30 agents do not have the image/)
  })
})

test("origins without buckets send at the rate of their links, and the receivers keep theirs", async () => {
  const links = {
    ...spec.links,
    model: "fair",
    rate: 10 * megabyte,
    burst: 10 * megabyte,
    line: 1e9
  } as const
  const capped = await run("client-server", { ...spec, links })
  const free = await run("client-server", { ...spec, links: { ...links, originRate: 1e9 } })
  const floor = (160 * megabyte - links.burst) / links.rate
  expect(secondsOf(free.completions)).toBeGreaterThanOrEqual(floor)
  expect(secondsOf(free.completions)).toBeLessThan(1.05 * floor)
  expect(secondsOf(capped.completions)).toBeGreaterThan(10 * floor)
})

test("a spread start counts the time of each agent from its own start", async () => {
  const outcome = await run("client-server", { ...spec, agents: 3, spread: 60_000_000 })
  expect(outcome.samples.at(-1)!.at / 1e6).toBeGreaterThan(5)
  expect(secondsOf(outcome.completions)).toBeLessThan(1)
})

test("client-server takes the time of the uplinks of the origins", async () => {
  const outcome = await run("client-server", spec)
  const fluid = (60 * 160 * megabyte) / (3 * 300 * megabyte)
  expect(secondsOf(outcome.completions)).toBeGreaterThan(fluid)
  expect(secondsOf(outcome.completions)).toBeLessThan(fluid * 1.03)
  expect(outcome.bytesFromAgents).toBe(0)
})

// The schedule gives each host a whole link for each piece, which only queues do: its rounds drift apart, and fair
// links would then divide a link among pieces of two rounds.
describe("the binomial pipeline reaches the counting bound where only links cost time", () => {
  const free = {
    readRate: Number.POSITIVE_INFINITY,
    writeRate: Number.POSITIVE_INFINITY,
    hashRate: Number.POSITIVE_INFINITY,
    commitDelay: 0
  }
  test.each([
    { agents: 15, origins: 1 },
    { agents: 30, origins: 2 },
    { agents: 60, origins: 1 },
    { agents: 93, origins: 3 },
    { agents: 100, origins: 1 }
  ])("$agents agents, $origins origins", async ({ agents, origins }) => {
    const links = { ...spec.links, model: "queue", latency: 0 } as const
    const crowd: FlashCrowd = { ...spec, agents, origins, links }
    const { completions } = await Effect.runPromise(
      runBinomial(crowd, { interleaved: 1 }, silentProgress, free)
    )
    expect(secondsOf(completions) / boundOf(crowd).seconds).toBeLessThan(1.002)
  })
})

test.each(
  strategies.filter(({ tuned }) => tuned !== undefined).map(({ name, tuned = {} }) => ({ name, tuned }))
)("$name is faster when it is tuned", async ({ name, tuned }) => {
  const published = await run(name, spec)
  const faster = await run(name, spec, tuned)
  expect(secondsOf(faster.completions)).toBeLessThan(0.9 * secondsOf(published.completions))
})

test("a chain fills slowly, and a wide tree shares its uplinks", async () => {
  const times = await Promise.all(
    ["1", "2", "4"].map(async (arity) => secondsOf((await run("tree", spec, { arity })).completions))
  )
  const line = 160 / 300
  expect(times[0]).toBeGreaterThan(line + 20 * (4 / 300))
  expect(times[1]).toBeGreaterThan(2 * line)
  expect(times[2]).toBeGreaterThan(4 * line)
})

test("a supernode needs time for each piece", async () => {
  const slow = await run("supernode", spec, { decision: "2ms" })
  expect(secondsOf(slow.completions)).toBeGreaterThan(60 * 40 * 0.002)
  expect(slow.counts).toMatchObject({ decisions: 60 * 40 })
  const shared = await run("supernode", spec, { decision: "2ms", supernodes: "4" })
  expect(secondsOf(shared.completions)).toBeLessThan(secondsOf(slow.completions))
})

test("shoal is refused with links that only rivals have", async () => {
  const refusal = (crowd: FlashCrowd) => strategies.find(({ name }) => name === "shoal")!.refusal(crowd, {})
  expect(refusal(spec)).toBeUndefined()
  expect(refusal({ ...spec, spread: 1 })).toMatch(/asks? all agents at once/)
  expect(refusal({ ...spec, links: { ...spec.links, originRate: 1e9 } })).toMatch(/equal links/)
})

test("Kraken is refused without a tracker", async () => {
  const exit = await Effect.runPromiseExit(
    Effect.flatMap(findStrategy("kraken"), (strategy) =>
      strategy.run({ ...spec, trackers: 0 }, {}, silentProgress)
    )
  )
  expect(Exit.isFailure(exit) && String(exit.cause)).toMatch(/it needs a tracker/)
})
