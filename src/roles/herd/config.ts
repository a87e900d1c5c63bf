// What can be configured of a herd: the keys of its parts, which share the folder, the log and the upstreams. An unknown
// key or a bad value is refused with its path, before anything is opened.

import { Schema } from "effect"
import { indexRuleKeys } from "../build-index/config.ts"
import { Listen } from "../config/addresses.ts"
import { ClientLimits } from "../config/client-limits.ts"
import { dataKeys, peerKeys } from "../config/process-keys.ts"
import { namingKeys, UpstreamList } from "../mirror/mirror-config.ts"
import { PreheatRules } from "../proxy/config.ts"

/** All but the agent in one process; each part has its own port, and finds the others on them. */
export const HerdConfig = Schema.Struct({
  ...dataKeys,
  ...peerKeys,
  proxy: Listen,
  /** Of the proxy. */
  limits: Schema.optionalKey(ClientLimits),
  origin: Listen,
  tracker: Listen,
  buildIndex: Listen,
  ...indexRuleKeys,
  preheat: Schema.optionalKey(PreheatRules),
  /** Registries that the cluster mirrors. */
  upstreams: Schema.optionalKey(UpstreamList),
  ownNames: namingKeys.ownNames
})
export type HerdConfig = typeof HerdConfig.Type
