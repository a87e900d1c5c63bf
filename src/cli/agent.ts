// The flags of `shoal agent`. role-command.ts runs the role, and src/roles/agent/agent.ts is its program.

import { AgentConfig } from "../roles/agent/config.ts"
import {
  buildIndexes,
  data,
  disk,
  freshness,
  listen,
  log,
  ownNames,
  peer,
  pushes,
  registration,
  trackers
} from "./config-flags.ts"
import { roleCommand } from "./role-command.ts"

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
