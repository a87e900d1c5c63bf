// The simulated twin of processes on loopback: a herd and agents with the same configuration as the real ones, each on
// a simulated host, and on the host of each agent a client that asks as the measuring process does. The shipped token
// buckets pace the bytes of pieces; links stand for loopback. Bytes are real, so that the registry can serve them.
//
// `LoopbackCosts` has what a machine adds and no configuration names: the only constants that are calibrated.

import { Duration, Effect } from "effect"
import type { Micros } from "../../src/protocol/kit/time.ts"
import { agent } from "../../src/roles/agent/agent.ts"
import { agentConfig } from "../../src/roles/agent/config.ts"
import { herdConfig } from "../../src/roles/herd/config.ts"
import { herd } from "../../src/roles/herd/herd.ts"
import type { HostProgramError } from "../../src/roles/host-program.ts"
import { makeSimulation, type Simulation } from "../../src/runtime-sim/simulation.ts"
import {
  type AskedRegistry,
  pullAtOnce,
  pushBlob,
  randomBlob,
  settleMillis,
  warmUpBytes
} from "./registry-pull.ts"

/** The options that vary in both worlds. */
export interface LoopbackOptions {
  readonly agents: number
  /** Bytes of the blob. */
  readonly size: number
  /** Bytes per second that every agent and the origin may send, and receive. */
  readonly rate: number
  /** Bytes that each of these token buckets holds. */
  readonly burst: number
}

export interface LoopbackCosts {
  /** Half of the time from a message to the answer of the peer: socket, scheduling, decoding. */
  readonly latency: Micros
  /**
   * Processor time until an agent begins; agents share the processors, so each begins this much after the one before.
   */
  readonly stagger: Micros
  /**
   * Bytes per second at which the machine hands blobs to the asking process, for all agents together. Pieces come in
   * any order and the answer is in order, so most of it moves at the end, through the processors that all share.
   */
  readonly handOver: number
}

/** Fitted on the measurement that is called calibration (16 agents, 16 MiB, 500 kB/s), on seeds 1 to 5. */
export const calibratedCosts: LoopbackCosts = { latency: 15_000, stagger: 5_000, handOver: 200_000_000 }

export interface LoopbackRun {
  /** One per agent, in their order. */
  readonly completions: ReadonlyArray<Micros>
  readonly traceHash: string
  readonly events: number
}

/** Bytes per second of a loopback link, each way: so fast that only buckets pace. */
const linkRate = 2_500_000_000

const ports = { proxy: 5000, peer: 5001, origin: 5002, tracker: 5003, buildIndex: 5004 } as const
const data = "data"

const listen = (host: string, port: number) => ({ host, port })

const startCluster = (
  simulation: Simulation,
  { agents, rate, burst }: LoopbackOptions
): Effect.Effect<ReadonlyArray<AskedRegistry>, HostProgramError> =>
  Effect.gen(function* () {
    const rates = { egress: rate, ingress: rate, burst }
    yield* simulation.startHost(
      "herd",
      herd(
        herdConfig({
          data,
          rates,
          proxy: listen("herd", ports.proxy),
          peer: listen("herd", ports.peer),
          origin: listen("herd", ports.origin),
          tracker: listen("herd", ports.tracker),
          buildIndex: listen("herd", ports.buildIndex)
        })
      )
    )
    const names = Array.from({ length: agents }, (_, index) => `agent-${index + 1}`)
    return yield* Effect.forEach(names, (name) =>
      Effect.as(
        simulation.startHost(
          name,
          agent(
            agentConfig({
              data,
              rates,
              registry: listen(name, ports.proxy),
              peer: listen(name, ports.peer),
              trackers: [`http://herd:${ports.tracker}`],
              buildIndexes: [`http://herd:${ports.buildIndex}`]
            })
          )
        ),
        { url: `http://${name}:${ports.proxy}`, client: simulation.httpClient(name) }
      )
    )
  })

/** Runs one flash crowd of the twin. Throws when a host does not start or a pull fails. */
export const simulateLoopback = (
  options: LoopbackOptions,
  costs: LoopbackCosts,
  seed: number
): LoopbackRun => {
  const simulation = makeSimulation({
    seed: String(seed),
    uplink: linkRate,
    downlink: linkRate,
    latency: costs.latency
  })
  const { kernel } = simulation
  const warmUp = randomBlob("warm-up", warmUpBytes)
  const blob = randomBlob(`loopback/${options.size}`, options.size)
  const pulls = Effect.gen(function* () {
    const agents = yield* startCluster(simulation, options)
    const proxy = { url: `http://herd:${ports.proxy}`, client: simulation.httpClient("herd") }
    yield* pushBlob(proxy, warmUp)
    yield* pullAtOnce(agents, warmUp, () => kernel.now)
    yield* pushBlob(proxy, blob)
    yield* Effect.sleep(Duration.millis(settleMillis))
    return yield* pullAtOnce(agents, blob, () => kernel.now, costs.stagger)
  })
  const handedOver = Math.round(((options.agents * options.size) / costs.handOver) * 1e6)
  const completions = simulation.run(pulls).map((at) => at + handedOver)
  return { completions, traceHash: simulation.traceHash(), events: simulation.stats().events }
}
