// HTTP API of a collector, for people and their scripts: POST /collect collects, GET tells on paper what would go. The
// report is indented JSON, as it is read in a terminal.

import { Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { type OciError, ociError } from "../oci/oci-error.ts"
import { refusesWith } from "./api-refusals.ts"
import { Answering } from "./api-routes.ts"

/** The API of a collector whose reports are `report`. */
export const collectApi = <Report extends Schema.Codec<object>>(report: Report) =>
  HttpApi.make("collector")
    .add(
      HttpApiGroup.make("collect").add(
        HttpApiEndpoint.get("plan", "/collect", { success: report, error: refusesWith(503) }).annotate(
          OpenApi.Summary,
          "What a collection would remove now, and how many bytes"
        ),
        HttpApiEndpoint.post("collect", "/collect", {
          query: { "dry-run": Schema.optionalKey(Schema.String) },
          success: report,
          error: refusesWith(503)
        }).annotate(OpenApi.Summary, "Removes what is not needed; with dry-run only the report is made")
      )
    )
    .middleware(Answering)

/** What a collection is answered with. */
export const collectionReport = (
  collection: Effect.Effect<object, { readonly message: string }>
): Effect.Effect<HttpServerResponse.HttpServerResponse, OciError> =>
  Effect.mapBoth(collection, {
    onSuccess: (report) =>
      HttpServerResponse.text(`${JSON.stringify(report, undefined, 2)}\n`, {
        contentType: "application/json"
      }),
    onFailure: ({ message }) => ociError("UNAVAILABLE", { message: `nothing more was collected: ${message}` })
  })
