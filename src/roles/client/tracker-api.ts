// HTTP API of a tracker: hosts announce their swarms and get peers, agents register for preheats, and hosts that join
// a swarm get its metainfo. tracker-wire.ts and registration-wire.ts define the JSON.

import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { everyPath, refusesWith } from "../http/api-refusals.ts"
import { Answering } from "../http/api-routes.ts"
import { metainfoGroup } from "./metainfo-api.ts"
import { AgentRegistration, RegisteredAgents } from "./registration-wire.ts"
import { AnnounceAnswer, AnnounceBatch } from "./tracker-wire.ts"

const announce = HttpApiGroup.make("announce").add(
  HttpApiEndpoint.post("post", "/announce", {
    payload: AnnounceBatch,
    success: AnnounceAnswer,
    error: refusesWith(400)
  }).annotate(OpenApi.Summary, "For each swarm of the host: when to announce next, and peers to dial")
)

const register = HttpApiGroup.make("register").add(
  HttpApiEndpoint.post("post", "/agents", {
    payload: AgentRegistration,
    success: HttpApiSchema.NoContent,
    error: refusesWith(400, 503)
  }).annotate(OpenApi.Summary, "Registers an agent that may be preheated")
)

const agents = HttpApiGroup.make("agents").add(
  HttpApiEndpoint.get("list", "/agents", { success: RegisteredAgents }).annotate(
    OpenApi.Summary,
    "Agents that registered recently, by URL"
  )
)

export const TrackerApi = HttpApi.make("tracker")
  .add(announce, register, agents, metainfoGroup)
  .middleware(Answering)
  .annotate(OpenApi.Title, "Shoal tracker")
  .annotate(OpenApi.Description, everyPath)
