// Decides what a cluster of an experiment is: the shipped role programs, each on a simulated host of its own with
// equal links, trackers and origins that find each other by configuration, and agents that know the trackers. Every
// default is the one that ships; what an experiment varies comes in as an argument.

import { Effect } from "effect"
import type { Torrent } from "../src/protocol/metainfo.ts"
import type { Micros } from "../src/protocol/time.ts"
import { type Agent, agent } from "../src/roles/agent.ts"
import { buildIndex } from "../src/roles/build-index.ts"
import type { HostProgram, HostProgramError } from "../src/roles/host-program.ts"
import { type Origin, origin } from "../src/roles/origin.ts"
import { tracker } from "../src/roles/tracker.ts"
import type { SimHost } from "../src/runtime-sim/host.ts"
import { makeSimulation, type Simulation } from "../src/runtime-sim/simulation.ts"
import type { SymbolicBlobSpec } from "../src/runtime-sim/symbolic-blobs.ts"

export interface ClusterOptions {
  readonly seed: number
  readonly agents: number
  readonly origins: number
  readonly trackers: number
  /** Bytes a second, each way, of every host. */
  readonly rate: number
  /** One way, between any two hosts. */
  readonly latency: Micros
}

export interface SimulatedCluster {
  readonly simulation: Simulation
  /** Puts a blob on every origin, as if it had been pushed and copied. Before start. */
  readonly preload: (spec: SymbolicBlobSpec) => Torrent
  /** Starts everything; agents last. `observe` may stand between an agent and its world. */
  readonly start: (
    observe: (program: HostProgram<Agent>, agent: number) => HostProgram<Agent>
  ) => Effect.Effect<RunningCluster, HostProgramError>
}

export interface RunningCluster {
  readonly origins: ReadonlyArray<SimHost<Origin>>
  readonly agents: ReadonlyArray<SimHost<Agent>>
}

const ports = { peer: 4001, registry: 5000, origin: 5001, tracker: 5002, buildIndex: 5003 } as const
const log = { level: "silent", format: "json" } as const
const data = "data"

type Urls = readonly [string, ...Array<string>]
const names = (role: string, count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => `${role}-${index + 1}`)
const urls = (hosts: ReadonlyArray<string>, port: number): Urls =>
  hosts.map((host) => `http://${host}:${port}`) as unknown as Urls
const listen = (host: string, port: number) => ({ host, port })

/** A cluster that is not started yet, in a simulation of its own. */
export const makeCluster = (options: ClusterOptions): SimulatedCluster => {
  const { rate, latency } = options
  const simulation = makeSimulation({ seed: String(options.seed), uplink: rate, downlink: rate, latency })
  const originNames = names("origin", options.origins)
  const trackerNames = names("tracker", options.trackers)
  const originUrls = urls(originNames, ports.origin)
  const trackerUrls = urls(trackerNames, ports.tracker)
  const buildIndexUrls = urls(["build-index"], ports.buildIndex)

  const startOrigin = (name: string, index: number) =>
    simulation.startHost(
      name,
      origin({
        data,
        log,
        peer: listen(name, ports.peer),
        rates: {},
        http: listen(name, ports.origin),
        origins: originUrls,
        self: originUrls[index]!
      })
    )
  const startTracker = (name: string) =>
    simulation.startHost(name, tracker({ log, http: listen(name, ports.tracker), origins: originUrls }))
  const startBuildIndex = simulation.startHost(
    "build-index",
    buildIndex({ data, log, http: listen("build-index", ports.buildIndex) })
  )
  const agentProgram = (name: string) =>
    agent({
      data,
      log,
      peer: listen(name, ports.peer),
      rates: {},
      registry: listen(name, ports.registry),
      trackers: trackerUrls,
      buildIndexes: buildIndexUrls
    })

  return {
    simulation,
    preload: (spec) => {
      const [torrent] = originNames.map((name) => simulation.preloadSymbolicBlob(name, data, spec))
      return torrent!
    },
    start: (observe) =>
      Effect.gen(function* () {
        const origins = yield* Effect.forEach(originNames, startOrigin)
        yield* Effect.forEach(trackerNames, startTracker)
        yield* startBuildIndex
        const agents = yield* Effect.forEach(
          names("agent", options.agents),
          (name, index) => simulation.startHost(name, observe(agentProgram(name), index)),
          { concurrency: "unbounded" }
        )
        return { origins, agents }
      })
  }
}
