// The configuration of a herd: the keys of its parts, which share the folder, the log and the upstreams. An unknown
// key or a bad value is refused with its path before anything is opened.

import { Schema } from "effect"
import { indexRuleKeys } from "../build-index/config.ts"
import { Listen } from "../config/addresses.ts"
import { clientLimitKeys } from "../config/client-limits.ts"
import { required, withDefault } from "../config/keys.ts"
import { dataKeys, peerKeys } from "../config/process-keys.ts"
import { PreheatRules } from "../proxy/config.ts"
import { namingKeys, UpstreamList } from "../upstream/mirror-config.ts"

/** Every role except the agent in one process. Each part has its own port, and finds the others on theirs. */
export const HerdConfig = Schema.Struct({
  ...dataKeys,
  ...peerKeys,
  proxy: required(Listen, "Where the proxy's registry API listens"),
  ...clientLimitKeys,
  origin: required(Listen, "Where the origin listens for HTTP"),
  tracker: required(Listen, "Where the tracker listens"),
  buildIndex: required(Listen, "Where the build-index listens"),
  ...indexRuleKeys,
  preheat: withDefault(PreheatRules, {}, "What is preheated without a request, and where"),
  upstreams: withDefault(
    UpstreamList,
    [],
    "Registries that the cluster mirrors",
    [],
    [{ key: "mirrors", instead: "a herd takes the names of its mirrors from upstreams" }]
  ),
  ownNames: namingKeys.ownNames
})
export type HerdConfig = typeof HerdConfig.Type

/** The configuration as it is written. Defaults may be left out. */
export type HerdSettings = typeof HerdConfig.Encoded

/** The configuration that the settings mean, with all defaults. */
export const herdConfig = Schema.decodeSync(HerdConfig)
