// The rows of the table: which number of which scenario each shows, and the aim that it is held to. Plain data.

import { largeBlob, smallPushes, starts } from "./door-scenarios.ts"
import { primitives } from "./primitive-costs.ts"
import type { Scenario } from "./scenario.ts"
import { swarm } from "./swarm-scenarios.ts"
import type { SystemName } from "./system.ts"

/** What Shoal's number is held to. */
export type Aim =
  /** At most (of what should be little) or at least (of what should be much) this multiple of another system's. */
  | { readonly kind: "ratio"; readonly to: SystemName; readonly factor: number }
  /** A number. Unless it is a ratio itself, it depends on the machine, so it is shown and never checked. */
  | { readonly kind: "bound"; readonly most: number; readonly isRatio: boolean }

export type Unit = "s" | "ms" | "MB" | "/s" | ""

export interface Measure {
  readonly metric: string
  readonly title: string
  readonly unit: Unit
  readonly better: "less" | "more"
  readonly aims: ReadonlyArray<Aim>
}

export interface Row {
  readonly name: string
  readonly title: string
  readonly scenario: Scenario
  /** Whether it is a part of the small form. */
  readonly inSmall: boolean
  readonly measures: ReadonlyArray<Measure>
}

const ratio = (to: SystemName, factor: number): Aim => ({ kind: "ratio", to, factor })
const bound = (most: number, isRatio = false): Aim => ({ kind: "bound", most, isRatio })

const less = (metric: string, title: string, unit: Unit, ...aims: ReadonlyArray<Aim>): Measure => ({
  metric,
  title,
  unit,
  better: "less",
  aims
})

const MB = 1e6

const smallRow = (clients: number): Row => ({
  name: `push-small-${clients}`,
  title: `Push of a small image, ${clients} clients`,
  scenario: smallPushes(clients),
  inSmall: clients === 16,
  measures: [
    {
      metric: "rate",
      title: "images a second",
      unit: "/s",
      better: "more",
      aims: [ratio("distribution", 1.2)]
    },
    less("cpu", "CPU an image", "ms", ratio("distribution", 1)),
    less("p50", "half take at most", "ms"),
    less("p99", "99 % take at most", "ms"),
    less("peak", "peak memory", "MB", bound(250 * MB))
  ]
})

/** The sizes of a swarm by their names of the scale, in full. */
const swarmNames = { shorter: "256m", longer: "1g", fewer: "4", more: "8" } as const

const swarmRow = (bytes: "shorter" | "longer", agents: "fewer" | "more"): Row => {
  const name = `swarm-${swarmNames[agents]}-${swarmNames[bytes]}`
  const [few, large] = [agents === "fewer" ? "a few" : "more", bytes === "shorter" ? "shorter" : "longer"]
  return {
    name,
    title: `Swarm of ${few} agents, uncapped, ${large} blob`,
    scenario: swarm({
      name,
      agents: (scale) => scale.agents[agents],
      bytes: (scale) => scale.swarmBytes[bytes],
      capped: "none",
      systems: ["shoal", "kraken", "node"]
    }),
    inSmall: agents === "fewer" && bytes === "shorter",
    measures: [
      less("agent_cpu", "agents' CPU a GiB", "s", ratio("kraken", 1)),
      less("door_cpu", "the origin's CPU a GiB", "s"),
      less("makespan", "until the last has it", "s", ratio("kraken", 0.9)),
      less("idle", "agent, memory before", "MB", bound(100 * MB)),
      less("peak", "agent, peak memory", "MB", bound(160 * MB))
    ]
  }
}

const cappedRow = (bytes: "shorter" | "longer", capped: "all" | "agents"): Row => {
  const name = `capped-${capped}-${swarmNames[bytes]}`
  const who = capped === "all" ? "origin and agents" : "only agents"
  return {
    name,
    title: `Swarm with ${who} at 20 MiB/s, ${bytes} blob`,
    scenario: swarm({
      name,
      agents: (scale) => scale.agents.more,
      bytes: (scale) => scale.swarmBytes[bytes],
      capped,
      systems: ["shoal", "kraken"]
    }),
    inSmall: capped === "all" && bytes === "shorter",
    measures: [
      less("makespan", "until the last has it", "s", ratio("kraken", capped === "all" ? 0.5 : 0.85)),
      less("over_bound", "over the bytes' own time", "", bound(1.05, true)),
      less("agent_cpu", "agents' CPU a GiB", "s")
    ]
  }
}

/** All rows, in the order of the table. */
export const rows: ReadonlyArray<Row> = [
  smallRow(16),
  smallRow(64),
  {
    name: "push-large",
    title: "Push of a large blob",
    scenario: largeBlob,
    inSmall: true,
    measures: [
      less("push_seconds", "time", "s", ratio("distribution", 1)),
      less("push_cpu", "CPU", "s", ratio("distribution", 1.2)),
      less("push_silence", "silence after the last byte", "s", bound(0.3))
    ]
  },
  {
    name: "pull-proxy",
    title: "Pull of a large blob from the proxy",
    scenario: largeBlob,
    inSmall: true,
    measures: [
      less("door_seconds", "time", "s", ratio("distribution", 1 / 0.8)),
      less("door_cpu", "CPU", "s", ratio("distribution", 1.5))
    ]
  },
  {
    name: "pull-warm",
    title: "Pull of a large blob from an agent that has it",
    scenario: largeBlob,
    inSmall: true,
    measures: [
      less("warm_seconds", "time", "s", ratio("distribution", 1 / 1.5)),
      less("warm_cpu", "CPU", "s")
    ]
  },
  {
    name: "pull-cold",
    title: "Pull of a large blob from an agent that does not have it",
    scenario: largeBlob,
    inSmall: true,
    measures: [
      less("cold_seconds", "time", "s", bound(2)),
      less("cold_agent_cpu", "CPU of the agent", "s", bound(2.2)),
      less("cold_door_cpu", "CPU of the herd", "s", bound(0.8))
    ]
  },
  {
    name: "memory",
    title: "Memory under these loads",
    scenario: largeBlob,
    inSmall: true,
    measures: [
      less("door_peak", "herd, peak", "MB", bound(250 * MB)),
      less("agent_peak", "agent, peak", "MB", bound(160 * MB)),
      less("door_idle", "herd, before the load", "MB"),
      less("agent_idle", "agent, before the load", "MB", bound(100 * MB)),
      less("door_after", "herd, after the load", "MB"),
      less("agent_after", "agent, after the load", "MB", bound(100 * MB))
    ]
  },
  ...(["shorter", "longer"] as const).flatMap((bytes) =>
    (["fewer", "more"] as const).map((agents) => swarmRow(bytes, agents))
  ),
  cappedRow("shorter", "all"),
  cappedRow("longer", "all"),
  cappedRow("shorter", "agents"),
  {
    name: "start",
    title: "Start of an agent, or of a registry without agents",
    scenario: starts,
    inSmall: true,
    measures: [less("seconds", "until ready", "s", bound(0.5)), less("resident", "memory then", "MB")]
  },
  {
    name: "floor",
    title: "Single steps over the large blob in bare Node",
    scenario: primitives,
    inSmall: true,
    measures: [
      less("receive", "receiving, CPU", "s"),
      less("send", "sending, CPU", "s"),
      less("hash", "SHA-256, CPU", "s"),
      less("write", "writing, CPU", "s"),
      less("read", "reading, CPU", "s"),
      less("sync", "sync, time", "s"),
      less("push", "sum of a push, CPU", "s"),
      less("pull", "sum of a pull, CPU", "s"),
      less("swarm", "sum of an agent in a swarm, CPU", "s")
    ]
  }
]
