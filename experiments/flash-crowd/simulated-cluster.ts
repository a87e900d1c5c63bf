// A cluster of the shipped role programs, each on a simulated host of its own. Trackers and origins find each other by
// configuration, and agents know the trackers. A blob is on its owners by the ring of the origins, as if it had been
// pushed and copied. All defaults are the shipped ones; what an experiment varies is an argument.

import { Effect } from "effect"
import { ringOwners } from "../../src/protocol/kit/hash-ring.ts"
import { invariant } from "../../src/protocol/kit/invariant.ts"
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
  /** Limits of peers and hand-outs that differ from the shipped ones, for all hosts. */
  readonly rules?: Partial<SwarmRules>
  /** The place of each host, by its role ("agent", "origin", "tracker", "build-index") and its number: 0, 1, ... */
  readonly place?: (role: string, index: number) => Place
  /**
   * Other parts of the simulated world that differ from the defaults: disks, hashing, detection of failures, loss,
   * links of racks and zones. A latency in it must not be below that of `links`, with which the bounds are computed.
   */
  readonly world?: Omit<SimulationOptions, "seed" | "uplink" | "downlink" | "linkModel">
}

/** Wraps the program of an agent, to observe it. */
type Observe = (program: HostProgram<Agent>, agent: number) => HostProgram<Agent>

export interface SimulatedCluster {
  readonly simulation: Simulation
  /** Puts a blob on the origins that own it. To be called before `start`. */
  readonly preload: (blob: CrowdBlob) => Torrent
  /** Starts all hosts, the agents last. */
  readonly start: (observe: Observe) => Effect.Effect<RunningCluster, HostProgramError>
  /** Starts one more agent, or one of 0, 1, ... again. */
  readonly startAgent: (agent: number, observe: Observe) => Effect.Effect<SimHost<Agent>, HostProgramError>
  /** Starts one of the trackers 0, 1, ... again. */
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

/** The numbers of the origins that own a blob, the first owner first. */
export const ownersOf = (blob: CrowdBlob, origins: number): ReadonlyArray<number> => {
  const members = originUrls(origins)
  const { digest } = new SymbolicBlob(blob)
  return ringOwners(digest, members, askLimits.originReplicas).map((url) => members.indexOf(url))
}

/** Makes a cluster that is not started yet, in a simulation of its own. */
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
  /** The part of the configuration that thousands of agents share. */
  const everyAgent = agentConfig({
    data,
    peer: listen("agent", ports.peer),
    registry: listen("agent", ports.registry),
    trackers,
    buildIndexes: urls("build-index", 1, ports.buildIndex)
  })

  /** The rates of the transport: unlimited when the links themselves keep the rate. */
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
          self: `http://${name}:${ports.origin}`
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
        // The first mention of a machine sets its place.
        simulation.machine(name, undefined, place?.("origin", owner))
        return simulation.preloadSymbolicBlob(name, data, blob)
      })
      invariant(torrent !== undefined, `an origin owns ${blob.name}`)
      return torrent
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
