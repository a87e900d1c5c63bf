// HTTP API of an agent that may be preheated. A proxy names contents of the cluster, never addresses, and gets the
// agent's progress in lines of JSON until it ends; hanging up withdraws the request. Lines are written and read by
// hand (agent/preheat-agent.ts, proxy/preheat-ask.ts), because they take hours.

import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { everyPath, refusesWith } from "../http/api-refusals.ts"
import { Answering } from "../http/api-routes.ts"
import { PreheatAsk, PreheatProgress } from "./preheat-wire.ts"

const preheat = HttpApiGroup.make("preheat").add(
  HttpApiEndpoint.post("post", "/preheat", {
    payload: PreheatAsk,
    success: HttpApiSchema.StreamNdjson({ schema: PreheatProgress }),
    error: refusesWith(400, 429)
  }).annotate(OpenApi.Summary, "Pulls missing contents through the swarm, and reports the progress in lines")
)

export const AgentApi = HttpApi.make("agent")
  .add(preheat)
  .middleware(Answering)
  .annotate(OpenApi.Title, "Shoal agent")
  .annotate(OpenApi.Description, everyPath)
