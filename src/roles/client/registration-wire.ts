// The JSON of an agent's registration at a tracker, and of the tracker's list of agents.
//
//   POST /agents   an AgentRegistration -> 204
//   GET  /agents   RegisteredAgents, sorted by URL

import { Schema } from "effect"
import { HttpUrl, ZoneName } from "../config/addresses.ts"
import { askLimits } from "./limits.ts"

export const AgentRegistration = Schema.Struct({
  /** Base URL of the agent's HTTP listener, as a proxy reaches it. */
  url: HttpUrl.check(Schema.isMaxLength(300)),
  zone: Schema.optionalKey(ZoneName)
}).annotate({ identifier: "AgentRegistration" })
export type AgentRegistration = typeof AgentRegistration.Type

export const RegisteredAgents = Schema.Struct({
  agents: Schema.Array(AgentRegistration).check(Schema.isMaxLength(askLimits.maxRegisteredAgents))
}).annotate({ identifier: "RegisteredAgents" })
