// The commands that run one role, each with the flags that it has. role-command.ts runs the role; its program and its
// configuration are in the folder of its name in src/roles/.

import { AgentConfig } from "../roles/agent/config.ts"
import { BuildIndexConfig } from "../roles/build-index/config.ts"
import { HerdConfig } from "../roles/herd/config.ts"
import { OriginConfig } from "../roles/origin/config.ts"
import { ProxyConfig } from "../roles/proxy/config.ts"
import { TrackerConfig } from "../roles/tracker/config.ts"
import {
  buildIndexes,
  data,
  disk,
  freshness,
  listen,
  log,
  origins,
  ownNames,
  peer,
  pushes,
  registration,
  self,
  trackers
} from "./config-flags.ts"
import { roleCommand } from "./role-command.ts"

export const herdCommand = roleCommand({
  name: "herd",
  description: "Proxy, origin, tracker and build-index in one process: all that agents need",
  schema: HerdConfig,
  flags: [
    data,
    ...peer,
    listen("proxy", "proxy"),
    listen("origin-http", "origin"),
    listen("tracker", "tracker"),
    listen("build-index", "buildIndex"),
    ownNames,
    ...log
  ],
  load: async () => (await import("../roles/herd/herd.ts")).herd
})

export const agentCommand = roleCommand({
  name: "agent",
  description: "The registry that a host pulls from: downloads through the swarm, and feeds it",
  schema: AgentConfig,
  flags: [
    data,
    disk,
    listen("registry", "registry"),
    ...peer,
    trackers,
    buildIndexes,
    ...pushes,
    ownNames,
    freshness,
    ...registration,
    ...log
  ],
  load: async () => (await import("../roles/agent/agent.ts")).agent
})

export const originCommand = roleCommand({
  name: "origin",
  description: "A dedicated seeder: takes uploads, makes metainfo, feeds every swarm",
  schema: OriginConfig,
  flags: [data, listen("http", "http"), ...peer, origins, self, buildIndexes, ...log],
  load: async () => (await import("../roles/origin/origin.ts")).origin
})

export const trackerCommand = roleCommand({
  name: "tracker",
  description: "Knows who has what, and hands out peers",
  schema: TrackerConfig,
  flags: [listen("http", "http"), origins, ...log],
  load: async () => (await import("../roles/tracker/tracker.ts")).tracker
})

export const buildIndexCommand = roleCommand({
  name: "build-index",
  description: "Knows which digest a tag names",
  schema: BuildIndexConfig,
  flags: [data, listen("http", "http"), ...log],
  load: async () => (await import("../roles/build-index/build-index.ts")).buildIndex
})

export const proxyCommand = roleCommand({
  name: "proxy",
  description: "The registry that one pushes to: blobs to their origins, tags to the build-index",
  schema: ProxyConfig,
  flags: [data, listen("registry", "registry"), origins, buildIndexes, ownNames, trackers, ...log],
  load: async () => (await import("../roles/proxy/proxy.ts")).proxy
})
