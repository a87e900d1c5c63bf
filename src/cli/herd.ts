// The flags of `shoal herd`. role-command.ts runs the role, and src/roles/herd/herd.ts is its program.

import { HerdConfig } from "../roles/herd/config.ts"
import { data, listen, log, ownNames, peer } from "./config-flags.ts"
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
