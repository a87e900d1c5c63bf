// Scenarios of swarms: one blob at the origin, and several agents that are asked for it at the same instant, each by a
// client that reads it whole; uncapped, and with Kraken's rates.

import { Effect } from "effect"
import { invariant } from "../../src/protocol/kit/invariant.ts"
import type { PullJob } from "./client-jobs.ts"
import { largestMemory, measureWork, pushBulk } from "./measured-work.ts"
import { cappedRate, type Scale } from "./scale.ts"
import type { Scenario } from "./scenario.ts"
import type { RunningSystem, SystemName } from "./system.ts"

/** More agents' blobs in one client process would have to wait for each other. */
const mostUrlsOfProcess = 4
const pushWithinSeconds = 300
const uncappedWithinSeconds = 600
/** Kraken takes eight times the time that the bytes need. */
const cappedPatience = 12

interface SwarmKind {
  readonly name: string
  readonly agents: (scale: Scale) => number
  readonly bytes: (scale: Scale) => number
  readonly capped: "none" | "all" | "agents"
  readonly systems: ReadonlyArray<SystemName>
}

const pullEverywhere = (running: RunningSystem, bulk: PullJob["bulk"], withinSeconds: number) => {
  const urls = running.agents.map(({ blobUrl }) => blobUrl(bulk.digest))
  const jobs = Array.from(
    { length: Math.ceil(urls.length / mostUrlsOfProcess) },
    (_, index): PullJob => ({
      kind: "pull",
      urls: urls.slice(index * mostUrlsOfProcess, (index + 1) * mostUrlsOfProcess),
      bulk
    })
  )
  return measureWork(running, jobs, withinSeconds)
}

const GiB = 2 ** 30

export const swarm = (kind: SwarmKind): Scenario => ({
  name: kind.name,
  systems: kind.systems,
  run: (system, { folder, scale, bulkOf }) =>
    Effect.gen(function* () {
      invariant(system.hasAgents, "a swarm has agents")
      const agents = kind.agents(scale)
      const length = kind.bytes(scale)
      const rates =
        kind.capped === "none"
          ? {}
          : { agents: cappedRate, ...(kind.capped === "all" ? { origin: cappedRate } : {}) }
      const running = yield* system.start({ folder, agents, rates })
      yield* pushBulk(running, bulkOf(scale.warmUpBytes), pushWithinSeconds)
      yield* pullEverywhere(running, bulkOf(scale.warmUpBytes), uncappedWithinSeconds)
      const idle = largestMemory(running.agents).resident
      yield* pushBulk(running, bulkOf(length), pushWithinSeconds)
      // Every agent has to receive every byte at its rate, less what its bucket holds, which is little.
      const bound = length / cappedRate
      const within = kind.capped === "none" ? uncappedWithinSeconds : bound * cappedPatience + 60
      const pulled = yield* pullEverywhere(running, bulkOf(length), within)
      const makespan = Math.max(...pulled.answers.flatMap(({ seconds }) => seconds))
      const gibibytes = (agents * length) / GiB
      return {
        makespan,
        ...(kind.capped === "none" ? {} : { over_bound: makespan / bound }),
        agent_cpu: pulled.agents / gibibytes,
        door_cpu: pulled.door / gibibytes,
        clients_cpu: pulled.clients / gibibytes,
        idle,
        peak: largestMemory(running.agents).peak
      }
    })
})
