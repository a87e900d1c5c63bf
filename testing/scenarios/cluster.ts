// Clusters of the scenarios: a herd, or each role on a host of its own, and agents. Ports and host names come from
// the world; every other setting is the shipped default.

import { Effect, type Scope } from "effect"
import { type Agent, agent } from "../../src/roles/agent/agent.ts"
import { type AgentSettings, agentConfig } from "../../src/roles/agent/config.ts"
import { buildIndex } from "../../src/roles/build-index/build-index.ts"
import { buildIndexConfig } from "../../src/roles/build-index/config.ts"
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
  /** Settings in addition to those of the cluster. */
  readonly config?: (names: AgentNames) => Partial<AgentSettings>
}

/** Base URLs for an agent's configuration. */
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

/** A cluster with a host per role, each of which can be restarted after a stop or a kill. */
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

/** A cluster whose roles, but the agents, are on one host. */
export interface HerdCluster extends Cluster {
  readonly herd: ScenarioHost
}

/** Starts a herd: all roles but the agents on one host. It may be started again after a stop or a kill. */
export const startHerdCluster = (
  world: ScenarioWorld,
  rates: Rates = {},
  config: Partial<HerdSettings> = {}
): Started<HerdCluster> =>
  Effect.map(
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
    (host) => ({
      herd: host,
      proxy: url(world, "herd", "proxy"),
      trackerUrl: url(world, "herd", "tracker"),
      startAgent: agentStarter(
        world,
        url(world, "herd", "proxy"),
        url(world, "herd", "tracker"),
        url(world, "herd", "build-index")
      )
    })
  )

/** Starts each role on a host of its own. */
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
