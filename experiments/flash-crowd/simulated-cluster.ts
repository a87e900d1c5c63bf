// Decides what a cluster of an experiment is: the shipped role programs, each on a simulated host of its own, trackers
// and origins that find each other by configuration, and agents that know the trackers. A blob lies on its owners by the
// origins' own ring, as if it had been pushed and copied. Every default is the one that ships; what an experiment
// varies comes in as an argument.

import { Effect } from "effect"
import { ringOwners } from "../../src/protocol/kit/hash-ring.ts"
import type { Torrent } from "../../src/protocol/wire/metainfo.ts"
import { type Agent, agent } from "../../src/roles/agent/agent.ts"
import { agentConfig } from "../../src/roles/agent/config.ts"
import { buildIndex } from "../../src/roles/build-index/build-index.ts"
import { buildIndexConfig } from "../../src/roles/build-index/config.ts"
import { askLimits } from "../../src/roles/client/limits.ts"
import { unlimited } from "../../src/roles/config/process-keys.ts"
import type { HostProgram, HostProgramError, StartedRole } from "../../src/roles/host-program.ts"
import { originConfig } from "../../src/roles/origin/config.ts"
import { type Origin, origin } from "../../src/roles/origin/origin.ts"
import { SwarmRules } from "../../src/roles/services/swarm-rules.ts"
import { trackerConfig } from "../../src/roles/tracker/config.ts"
import { tracker } from "../../src/roles/tracker/tracker.ts"
import { SymbolicBlob } from "../../src/runtime-sim/disk/symbolic-blobs.ts"
import type { SimHost } from "../../src/runtime-sim/host/host.ts"
import type { Place } from "../../src/runtime-sim/network/fabric.ts"
import { makeSimulation, type Simulation, type SimulationOptions } from "../../src/runtime-sim/simulation.ts"
import { type CrowdBlob, type FlashCrowd, lineRate, rateOf } from "./flash-crowd.ts"

export interface ClusterOptions
  extends Pick<FlashCrowd, "seed" | "agents" | "origins" | "trackers" | "links"> {
  /** Limits of peers and hand-outs that are not the shipped ones, for every host alike. */
  readonly rules?: Partial<SwarmRules>
  /** Where each host stands, by its role ("agent", "origin", "tracker", "build-index") and its number in it, 0, 1, ... */
  readonly place?: (role: string, index: number) => Place
  /**
   * What else of the simulated world is not its default: disks, hashing, detection of failures, loss, links of racks and
   * zones. A latency given here must not be below the wave's: bounds count with that one.
   */
  readonly world?: Omit<SimulationOptions, "seed" | "uplink" | "downlink" | "linkModel">
}

/** May stand between an agent and its world. */
type Observe = (program: HostProgram<Agent>, agent: number) => HostProgram<Agent>

export interface SimulatedCluster {
  readonly simulation: Simulation
  /** Puts a blob on the origins that own it. Before start. */
  readonly preload: (blob: CrowdBlob) => Torrent
  /** Starts everything; agents last. */
  readonly start: (observe: Observe) => Effect.Effect<RunningCluster, HostProgramError>
  /** One more agent, or one that starts again: 0, 1, ... */
  readonly startAgent: (agent: number, observe: Observe) => Effect.Effect<SimHost<Agent>, HostProgramError>
  /** A tracker that starts again: 0, 1, ... */
  readonly startTracker: (tracker: number) => Effect.Effect<SimHost, HostProgramError>
}

export interface RunningCluster {
  readonly origins: ReadonlyArray<SimHost<Origin>>
  readonly trackers: ReadonlyArray<SimHost>
  readonly agents: ReadonlyArray<SimHost<Agent>>
}

const ports = { peer: 4001, registry: 5000, origin: 5001, tracker: 5002, buildIndex: 5003 } as const
const data = "data"

type Urls = readonly [string, ...Array<string>]
const nameOf = (role: string, index: number): string => `${role}-${index + 1}`
const indexes = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, index) => index)
const urls = (role: string, count: number, port: number): Urls =>
  indexes(count).map((index) => `http://${nameOf(role, index)}:${port}`) as unknown as Urls
const listen = (host: string, port: number) => ({ host, port })
const originUrls = (count: number): Urls => urls("origin", count, ports.origin)

/** The origins 0, 1, ... that own a blob, first owner first. */
export const ownersOf = (blob: CrowdBlob, origins: number): ReadonlyArray<number> => {
  const members = originUrls(origins)
  const { digest } = new SymbolicBlob(blob)
  return ringOwners(digest, members, askLimits.originReplicas).map((url) => members.indexOf(url))
}

/** A cluster that is not started yet, in a simulation of its own. */
export const makeCluster = (options: ClusterOptions): SimulatedCluster => {
  const { links, world = {}, rules = {}, place } = options
  const line = lineRate(links, links.rate)
  const simulation = makeSimulation({
    latency: links.latency,
    ...world,
    seed: String(options.seed),
    linkModel: links.model,
    uplink: line,
    downlink: line
  })
  const origins = originUrls(options.origins)
  const trackers = urls("tracker", options.trackers, ports.tracker)
  /** What agents have in common, so that thousands of them share it. */
  const everyAgent = agentConfig({
    data,
    peer: listen("agent", ports.peer),
    registry: listen("agent", ports.registry),
    trackers,
    buildIndexes: urls("build-index", 1, ports.buildIndex)
  })

  /** Of the transport: none when the links themselves keep the rate. */
  const bucketsOf = (rate: number) =>
    links.burst === 0 ? unlimited : { egress: rate, ingress: rate, burst: links.burst }

  const startHost = <Role extends StartedRole>(
    role: string,
    index: number,
    program: HostProgram<Role>,
    rate = links.rate
  ): Effect.Effect<SimHost<Role>, HostProgramError> => {
    const own = lineRate(links, rate)
    return simulation.startHost(nameOf(role, index), Effect.provideService(program, SwarmRules, rules), {
      rates: { uplink: own, downlink: own },
      ...(place === undefined ? {} : { place: place(role, index) })
    })
  }

  const startOrigin = (index: number) => {
    const name = nameOf("origin", index)
    return startHost(
      "origin",
      index,
      origin(
        originConfig({
          data,
          peer: listen(name, ports.peer),
          rates: bucketsOf(links.rate),
          http: listen(name, ports.origin),
          origins,
          self: origins[index]!
        })
      )
    )
  }
  const startTracker = (index: number) => {
    const name = nameOf("tracker", index)
    return startHost("tracker", index, tracker(trackerConfig({ http: listen(name, ports.tracker), origins })))
  }
  const startBuildIndex = () => {
    const name = nameOf("build-index", 0)
    return startHost(
      "build-index",
      0,
      buildIndex(buildIndexConfig({ data, http: listen(name, ports.buildIndex) }))
    )
  }
  const startAgent = (index: number, observe: Observe) => {
    const name = nameOf("agent", index)
    const rate = rateOf(options, index)
    const program = agent({
      ...everyAgent,
      peer: listen(name, ports.peer),
      rates: bucketsOf(rate),
      registry: listen(name, ports.registry)
    })
    return startHost("agent", index, observe(program, index), rate)
  }

  return {
    simulation,
    startAgent,
    startTracker,
    preload: (blob) => {
      const [torrent] = ownersOf(blob, options.origins).map((owner) => {
        const name = nameOf("origin", owner)
        // A machine stands where it is first said to be.
        simulation.machine(name, undefined, place?.("origin", owner))
        return simulation.preloadSymbolicBlob(name, data, blob)
      })
      return torrent!
    },
    start: (observe) =>
      Effect.gen(function* () {
        const originHosts = yield* Effect.forEach(indexes(options.origins), startOrigin)
        const trackerHosts = yield* Effect.forEach(indexes(options.trackers), startTracker)
        yield* startBuildIndex()
        const agents = yield* Effect.forEach(indexes(options.agents), (index) => startAgent(index, observe), {
          concurrency: "unbounded"
        })
        return { origins: originHosts, trackers: trackerHosts, agents }
      })
  }
}
