// Decides the clusters that scenarios play on: a herd, or its parts as hosts of their own, and agents that find them.
// Ports and names come from the world; everything else is the default that ships.

import { Effect, type Scope } from "effect"
import { type Agent, agent } from "../../src/roles/agent/agent.ts"
import { buildIndex } from "../../src/roles/build-index/build-index.ts"
import { buildIndexConfig } from "../../src/roles/build-index/config.ts"
import { type AgentSettings, agentConfig } from "../../src/roles/agent/config.ts"
import type { RateSettings } from "../../src/roles/config/process-keys.ts"
import { type HerdSettings, herdConfig } from "../../src/roles/herd/config.ts"
import { herd } from "../../src/roles/herd/herd.ts"
import type { HostProgramError } from "../../src/roles/host-program.ts"
import { originConfig } from "../../src/roles/origin/config.ts"
import { origin } from "../../src/roles/origin/origin.ts"
import { proxyConfig } from "../../src/roles/proxy/config.ts"
import { proxy } from "../../src/roles/proxy/proxy.ts"
import { trackerConfig } from "../../src/roles/tracker/config.ts"
import { tracker } from "../../src/roles/tracker/tracker.ts"
import type { ScenarioFaults, ScenarioHost, ScenarioWorld } from "./world.ts"

export type Rates = RateSettings

type Started<Host> = Effect.Effect<Host, HostProgramError, Scope.Scope>

interface AgentOptions {
  readonly rates?: Rates
  readonly faults?: ScenarioFaults
  /** Keys that differ from what the cluster says of its agents. */
  readonly config?: (names: AgentNames) => Partial<AgentSettings>
}

/** Base URLs that an agent's own configuration may name. */
interface AgentNames {
  readonly self: string
  readonly proxy: string
}

export interface RunningAgent extends ScenarioHost<Agent> {
  /** Base URL of its registry. */
  readonly url: string
}

export interface Cluster {
  /** Base URL of the registry that takes pushes. */
  readonly proxy: string
  /** Base URL of the tracker. */
  readonly trackerUrl: string
  readonly startAgent: (name: string, options?: AgentOptions) => Started<RunningAgent>
}

/** A cluster of single hosts; each can be started again after stop or kill. */
export interface ClusterApart extends Cluster {
  readonly origin: ScenarioHost
  readonly tracker: ScenarioHost
  readonly buildIndex: ScenarioHost
  readonly startBuildIndex: Started<ScenarioHost>
  readonly startOrigin: Started<ScenarioHost>
  readonly startTracker: Started<ScenarioHost>
}

const listen = (world: ScenarioWorld, host: string, listener: string) => ({
  host: world.hostName(host),
  port: world.port(host, listener)
})

const url = (world: ScenarioWorld, host: string, listener: string): string =>
  `http://${world.hostName(host)}:${world.port(host, listener)}`

const agentStarter =
  (
    world: ScenarioWorld,
    proxyUrl: string,
    trackerUrl: string,
    buildIndexUrl: string
  ): Cluster["startAgent"] =>
  (name, options = {}) =>
    Effect.map(
      world.start(
        name,
        agent(
          agentConfig({
            data: name,
            peer: listen(world, name, "peer"),
            rates: options.rates ?? {},
            registry: listen(world, name, "registry"),
            trackers: [trackerUrl],
            buildIndexes: [buildIndexUrl],
            ...options.config?.({ self: url(world, name, "registry"), proxy: proxyUrl })
          })
        ),
        options.faults
      ),
      (host) => ({ ...host, url: url(world, name, "registry") })
    )

/** Everything but the agents in one process. */
export const startHerdCluster = (
  world: ScenarioWorld,
  rates: Rates = {},
  config: Partial<HerdSettings> = {}
): Started<Cluster> =>
  Effect.as(
    world.start(
      "herd",
      herd(
        herdConfig({
          data: "herd",
          peer: listen(world, "herd", "peer"),
          rates,
          proxy: listen(world, "herd", "proxy"),
          origin: listen(world, "herd", "origin"),
          tracker: listen(world, "herd", "tracker"),
          buildIndex: listen(world, "herd", "build-index"),
          ...config
        })
      )
    ),
    {
      proxy: url(world, "herd", "proxy"),
      trackerUrl: url(world, "herd", "tracker"),
      startAgent: agentStarter(
        world,
        url(world, "herd", "proxy"),
        url(world, "herd", "tracker"),
        url(world, "herd", "build-index")
      )
    }
  )

/** Every role a host of its own. */
export const startClusterApart = (world: ScenarioWorld, originRates: Rates = {}): Started<ClusterApart> =>
  Effect.gen(function* () {
    const originUrl = url(world, "origin", "http")
    const buildIndexUrl = url(world, "build-index", "http")
    const startOrigin = world.start(
      "origin",
      origin(
        originConfig({
          data: "origin",
          peer: listen(world, "origin", "peer"),
          rates: originRates,
          http: listen(world, "origin", "http"),
          origins: [originUrl],
          self: originUrl
        })
      )
    )
    const startTracker = world.start(
      "tracker",
      tracker(trackerConfig({ http: listen(world, "tracker", "http"), origins: [originUrl] }))
    )
    const runningOrigin = yield* startOrigin
    const runningTracker = yield* startTracker
    const startBuildIndex = world.start(
      "build-index",
      buildIndex(buildIndexConfig({ data: "build-index", http: listen(world, "build-index", "http") }))
    )
    const runningBuildIndex = yield* startBuildIndex
    yield* world.start(
      "proxy",
      proxy(
        proxyConfig({
          data: "proxy",
          registry: listen(world, "proxy", "registry"),
          origins: [originUrl],
          buildIndexes: [buildIndexUrl]
        })
      )
    )
    return {
      proxy: url(world, "proxy", "registry"),
      trackerUrl: url(world, "tracker", "http"),
      startAgent: agentStarter(
        world,
        url(world, "proxy", "registry"),
        url(world, "tracker", "http"),
        buildIndexUrl
      ),
      origin: runningOrigin,
      tracker: runningTracker,
      buildIndex: runningBuildIndex,
      startBuildIndex,
      startOrigin,
      startTracker
    }
  })
