// The scenarios of the bench of real processes, with the floor as the only system: they give numbers, and whatever they
// started has ended.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { afterEach, beforeEach, expect, test } from "vitest"
import { bulkDigest } from "../../experiments/real-bench/bulk-content.ts"
import { largeBlob, smallPushes, starts } from "../../experiments/real-bench/door-scenarios.ts"
import { floorSystem } from "../../experiments/real-bench/floor-system.ts"
import { type Scale, smallScale } from "../../experiments/real-bench/scale.ts"
import type { Scenario } from "../../experiments/real-bench/scenario.ts"
import { swarm } from "../../experiments/real-bench/swarm-scenarios.ts"
import type { System } from "../../experiments/real-bench/system.ts"

const tiny: Scale = {
  ...smallScale,
  seconds: 0.2,
  largeBytes: 3 * 2 ** 20 + 7,
  warmUpBytes: 1000,
  swarmBytes: { shorter: 2 ** 20, longer: 2 ** 20 },
  idleSeconds: 0
}

let folder = ""
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shoal-bench-test-"))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** A run of the floor, and the ids of the processes that were its parts. */
const runOnFloor = async (scenario: Scenario) => {
  const pids: Array<number> = []
  const watched: System = {
    ...floorSystem,
    start: (spec) =>
      Effect.tap(floorSystem.start(spec), ({ door, agents }) =>
        Effect.sync(() => {
          for (const { programs } of [door, ...agents]) pids.push(...programs.map(({ pid }) => pid))
        })
      )
  }
  const own = join(folder, scenario.name)
  mkdirSync(own)
  const bulkOf = (length: number) => ({ seed: "test", length, digest: bulkDigest("test", length) })
  const sample = await Effect.runPromise(
    Effect.scoped(scenario.run(watched, { scale: tiny, folder: own, bulkOf }))
  )
  return { sample, pids }
}

test("small pushes give a rate, percentiles, processor time and memory", async () => {
  const { sample, pids } = await runOnFloor(smallPushes(2))
  expect(Object.keys(sample)).toEqual(["rate", "cpu", "clients_cpu", "p50", "p99", "peak"])
  expect(sample.rate).toBeGreaterThan(0)
  expect(sample.p99).toBeGreaterThanOrEqual(sample.p50!)
  expect(sample.peak).toBeGreaterThan(2 ** 20)
  expect(pids).toHaveLength(1)
  expect(pids.filter(isAlive)).toEqual([])
})

test("a large blob is pushed, and pulled at the door and at an agent that did not have it", async () => {
  const { sample, pids } = await runOnFloor(largeBlob)
  for (const metric of ["push_seconds", "push_silence", "door_seconds", "cold_seconds", "warm_seconds"]) {
    expect(sample[metric], metric).toBeGreaterThan(0)
  }
  expect(pids).toHaveLength(2)
  expect(pids.filter(isAlive)).toEqual([])
})

test("a swarm gives a makespan, and the start of an agent the time until it is ready", async () => {
  const small = swarm({
    name: "swarm",
    agents: (scale) => scale.agents.fewer,
    bytes: (scale) => scale.swarmBytes.shorter,
    capped: "none",
    systems: ["node"]
  })
  expect((await runOnFloor(small)).sample.makespan).toBeGreaterThan(0)
  expect((await runOnFloor(starts)).sample.seconds).toBeGreaterThan(0)
})
