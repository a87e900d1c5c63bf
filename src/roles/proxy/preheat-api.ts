// HTTP API for preheats at a proxy: our own calls, which `shoal preheat` makes, and those with which Harbor drives
// Dragonfly, the first Dragonfly and Kraken.
//
// A request is answered when its image and agents are known, not when they are done; a notification at once.

import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { everyPath, refusesWith } from "../http/api-refusals.ts"
import { Answering } from "../http/api-routes.ts"
import {
  AgentState,
  DragonflyJob,
  HarborImage,
  PreheatRequest,
  PreheatStatus,
  PreheatSummary
} from "./preheat-forms.ts"

const ofPreheat = { id: Schema.String }
/** The document is in the requester's own form, which preheat-status.ts writes. */
const foreign = Schema.Record(Schema.String, Schema.Unknown)
const there = Schema.String.pipe(HttpApiSchema.asText())
const begins = refusesWith(400, 404, 409, 422, 429, 503, 507)

const preheat = HttpApiGroup.make("preheat").add(
  HttpApiEndpoint.post("begin", "/preheat", {
    payload: Schema.Union([PreheatRequest, HarborImage]),
    success: PreheatStatus.pipe(HttpApiSchema.status(202)),
    error: begins
  }).annotate(OpenApi.Summary, "Begins a preheat; Location names its status"),
  HttpApiEndpoint.get("list", "/preheat", {
    success: Schema.Struct({ preheats: Schema.Array(PreheatSummary) })
  }).annotate(OpenApi.Summary, "The preheats of this proxy, the newest first"),
  HttpApiEndpoint.get("status", "/preheat/:id", {
    params: ofPreheat,
    query: { agents: Schema.optionalKey(AgentState) },
    success: PreheatStatus,
    error: refusesWith(400, 404)
  }).annotate(OpenApi.Summary, "The status of a preheat, with all agents or those in one state"),
  HttpApiEndpoint.delete("cancel", "/preheat/:id", {
    params: ofPreheat,
    success: PreheatStatus,
    error: refusesWith(404)
  }).annotate(OpenApi.Summary, "Cancels a preheat; agents keep what they have")
)

const notifications = HttpApiGroup.make("notifications").add(
  HttpApiEndpoint.post("notify", "/registry/notifications", {
    payload: foreign,
    success: Schema.Struct({ preheats: Schema.Array(Schema.String), ignored: Schema.Int }).pipe(
      HttpApiSchema.status(202)
    ),
    error: refusesWith(400)
  }).annotate(OpenApi.Summary, "Events of a registry; a push that matches a rule begins a preheat")
)

const dragonfly = HttpApiGroup.make("dragonfly").add(
  HttpApiEndpoint.post("begin", "/oapi/v1/jobs", {
    payload: DragonflyJob,
    success: foreign,
    error: begins
  }).annotate(OpenApi.Summary, "Begins a preheat in Dragonfly's form"),
  HttpApiEndpoint.get("status", "/oapi/v1/jobs/:id", {
    params: ofPreheat,
    success: foreign,
    error: refusesWith(404)
  }).annotate(OpenApi.Summary, "The status of a preheat, in Dragonfly's form"),
  HttpApiEndpoint.post("beginFirst", "/preheats", {
    payload: HarborImage,
    success: Schema.Struct({ ID: Schema.String }),
    error: begins
  }).annotate(OpenApi.Summary, "Begins a preheat in the form of the first Dragonfly"),
  HttpApiEndpoint.get("statusFirst", "/preheats/:id", {
    params: ofPreheat,
    success: foreign,
    error: refusesWith(404)
  }).annotate(OpenApi.Summary, "The status of a preheat, in the form of the first Dragonfly"),
  HttpApiEndpoint.get("healthy", "/healthy", { success: there }).annotate(
    OpenApi.Summary,
    "Whether the proxy answers, for Harbor"
  ),
  HttpApiEndpoint.get("ping", "/_ping", { success: there }).annotate(
    OpenApi.Summary,
    "Whether the proxy answers, for Harbor"
  )
)

export const PreheatApi = HttpApi.make("proxy")
  .add(preheat, notifications, dragonfly)
  .middleware(Answering)
  .annotate(OpenApi.Title, "Shoal proxy, preheating")
  .annotate(OpenApi.Description, everyPath)
