// HTTP API of a tracker: hosts announce the swarms that they are in and are handed peers, agents register for preheats,
// and whoever joins a swarm gets its metainfo. The JSON is tracker-wire.ts's and registration-wire.ts's.

import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { refusesWith } from "../http/api-refusals.ts"
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
  }).annotate(OpenApi.Summary, "An agent that may be preheated says where it is")
)

const agents = HttpApiGroup.make("agents").add(
  HttpApiEndpoint.get("list", "/agents", { success: RegisteredAgents }).annotate(
    OpenApi.Summary,
    "Agents that registered lately, by URL"
  )
)

export const TrackerApi = HttpApi.make("tracker")
  .add(announce, register, agents, metainfoGroup)
  .middleware(Answering)
  .annotate(OpenApi.Title, "Shoal tracker")
