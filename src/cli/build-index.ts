// The flags of `shoal build-index`. role-command.ts runs the role, and src/roles/build-index/build-index.ts is its
// program.

import { BuildIndexConfig } from "../roles/build-index/config.ts"
import { data, listen, log } from "./config-flags.ts"
import { roleCommand } from "./role-command.ts"

export const buildIndexCommand = roleCommand({
  name: "build-index",
  description: "Knows which digest a tag names",
  schema: BuildIndexConfig,
  flags: [data, listen("http", "http"), ...log],
  load: async () => (await import("../roles/build-index/build-index.ts")).buildIndex
})
