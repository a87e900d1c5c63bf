// The flags of `shoal proxy`. role-command.ts runs the role, and src/roles/proxy/proxy.ts is its program.

import { ProxyConfig } from "../roles/proxy/config.ts"
import { buildIndexes, data, listen, log, origins, ownNames, trackers } from "./config-flags.ts"
import { roleCommand } from "./role-command.ts"

export const proxyCommand = roleCommand({
  name: "proxy",
  description: "The registry that one pushes to: blobs to their origins, tags to the build-index",
  schema: ProxyConfig,
  flags: [data, listen("registry", "registry"), origins, buildIndexes, ownNames, trackers, ...log],
  load: async () => (await import("../roles/proxy/proxy.ts")).proxy
})
