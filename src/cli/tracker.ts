// The flags of `shoal tracker`. role-command.ts runs the role, and src/roles/tracker/tracker.ts is its program.

import { TrackerConfig } from "../roles/tracker/config.ts"
import { listen, log, origins } from "./config-flags.ts"
import { roleCommand } from "./role-command.ts"

export const trackerCommand = roleCommand({
  name: "tracker",
  description: "Knows who has what, and hands out peers",
  schema: TrackerConfig,
  flags: [listen("http", "http"), origins, ...log],
  load: async () => (await import("../roles/tracker/tracker.ts")).tracker
})
