// The flags of `shoal origin`. role-command.ts runs the role, and src/roles/origin/origin.ts is its program.

import { OriginConfig } from "../roles/origin/config.ts"
import { buildIndexes, data, listen, log, origins, peer, self } from "./config-flags.ts"
import { roleCommand } from "./role-command.ts"

export const originCommand = roleCommand({
  name: "origin",
  description: "A dedicated seeder: takes uploads, makes metainfo, feeds every swarm",
  schema: OriginConfig,
  flags: [data, listen("http", "http"), ...peer, origins, self, buildIndexes, ...log],
  load: async () => (await import("../roles/origin/origin.ts")).origin
})
