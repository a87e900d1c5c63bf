// Scenarios at the door of a registry: small images pushed by many clients; one large blob pushed, pulled again, and
// pulled from an agent that does not have it and then has it.

import { Effect } from "effect"
import { ascending, quantile } from "../report/quantiles.ts"
import type { PushSmallJob } from "./client-jobs.ts"
import { largestMemory, measureWork, memoryOf, pushBulk } from "./measured-work.ts"
import type { Scenario } from "./scenario.ts"

/** More clients in one process would have to wait for each other. */
const mostClientsOfProcess = 32
const registries = ["shoal", "distribution", "zot", "node"] as const
/** Beyond this a run failed. */
const patienceSeconds = 300

/** The clients of each process. */
export const clientsByProcess = (clients: number): ReadonlyArray<number> => {
  const processes = Math.ceil(clients / mostClientsOfProcess)
  return Array.from(
    { length: processes },
    (_, index) => Math.floor((clients * (index + 1)) / processes) - Math.floor((clients * index) / processes)
  )
}

/** Pushes of small images by several clients at once. */
export const smallPushes = (clients: number): Scenario => ({
  name: `small-${clients}`,
  systems: registries,
  run: (system, { folder, scale }) =>
    Effect.gen(function* () {
      const running = yield* system.start({ folder, agents: 0, rates: {} })
      const { url } = running.door
      const jobs = (seconds: number): ReadonlyArray<PushSmallJob> =>
        clientsByProcess(clients).map((own) => ({ kind: "push-small", url, clients: own, seconds }))
      // A program is at full speed only after a while.
      yield* measureWork(running, jobs(scale.seconds / 4), patienceSeconds)
      const {
        answers,
        door,
        clients: clientsCpu
      } = yield* measureWork(running, jobs(scale.seconds), patienceSeconds)
      const latencies = ascending(answers.flatMap((answer) => answer.latencies))
      const seconds = Math.max(...answers.map((answer) => answer.seconds))
      return {
        rate: latencies.length / seconds,
        cpu: door / latencies.length,
        clients_cpu: clientsCpu / latencies.length,
        p50: quantile(latencies, 500) / 1000,
        p99: quantile(latencies, 990) / 1000,
        peak: memoryOf(running.door).peak
      }
    })
})

export const largeBlob: Scenario = {
  name: "large",
  systems: registries,
  run: (system, { folder, scale, bulkOf }) =>
    Effect.gen(function* () {
      const running = yield* system.start({ folder, agents: system.hasAgents ? 1 : 0, rates: {} })
      const { door, agents } = running
      const push = (length: number) => pushBulk(running, bulkOf(length), patienceSeconds)
      const pull = (length: number, urlOf: (digest: string) => string) => {
        const bulk = bulkOf(length)
        return measureWork(
          running,
          [{ kind: "pull", urls: [urlOf(bulk.digest)], bulk } as const],
          patienceSeconds
        )
      }
      const atDoor = (digest: string): string => `${door.repositoryUrl}/blobs/${digest}`

      yield* push(scale.warmUpBytes)
      yield* pull(scale.warmUpBytes, atDoor)
      for (const { blobUrl } of agents) yield* pull(scale.warmUpBytes, blobUrl)
      const idle = { door: memoryOf(door).resident, agent: largestMemory(agents).resident }

      const pushed = yield* push(scale.largeBytes)
      const read = yield* pull(scale.largeBytes, atDoor)
      const [agent] = agents
      const cold = agent === undefined ? undefined : yield* pull(scale.largeBytes, agent.blobUrl)
      const warm = agent === undefined ? read : yield* pull(scale.largeBytes, agent.blobUrl)
      const peak = { door: memoryOf(door).peak, agent: largestMemory(agents).peak }
      yield* Effect.sleep(scale.idleSeconds * 1000)
      return {
        push_seconds: pushed.answers[0]!.seconds,
        push_cpu: pushed.door,
        push_clients_cpu: pushed.clients,
        push_silence: pushed.answers[0]!.silence,
        door_seconds: read.answers[0]!.seconds[0]!,
        door_cpu: read.door,
        door_clients_cpu: read.clients,
        ...(cold === undefined
          ? {}
          : {
              cold_seconds: cold.answers[0]!.seconds[0]!,
              cold_agent_cpu: cold.agents,
              cold_door_cpu: cold.door
            }),
        warm_seconds: warm.answers[0]!.seconds[0]!,
        warm_cpu: warm.door + warm.agents,
        warm_clients_cpu: warm.clients,
        door_peak: peak.door,
        door_idle: idle.door,
        door_after: memoryOf(door).resident,
        ...(agent === undefined
          ? {}
          : {
              agent_peak: peak.agent,
              agent_idle: idle.agent,
              agent_after: largestMemory(agents).resident
            })
      }
    })
}

/** From the start of a program until it is ready, and the processor time that this takes. */
export const starts: Scenario = {
  name: "start",
  systems: ["shoal", "distribution", "zot", "kraken", "node"],
  run: (system, { folder }) =>
    Effect.gen(function* () {
      const running = yield* system.start({ folder, agents: system.hasAgents ? 1 : 0, rates: {} })
      const [agent = running.door] = running.agents
      return { seconds: agent.startSeconds, resident: memoryOf(agent).resident }
    })
}
