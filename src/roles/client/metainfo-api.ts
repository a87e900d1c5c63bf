// The endpoint at which trackers and origins serve a blob's metainfo, the same in both HTTP APIs: canonical bytes, or
// those of its arrival while an origin receives it, or the message that an origin is about to fetch the blob from its
// upstream registry. A namespace is a repository's name with
// encoded slashes.

import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { refusesWith } from "../http/api-refusals.ts"
import { DigestText, NamespaceText } from "../http/wire-schema.ts"

export const ofBlob = { namespace: NamespaceText, digest: DigestText }

export const Bytes = Schema.Uint8Array.pipe(HttpApiSchema.asUint8Array())

export const metainfoGroup = HttpApiGroup.make("metainfo").add(
  HttpApiEndpoint.get("get", "/namespace/:namespace/blobs/:digest/metainfo", {
    params: ofBlob,
    success: [Bytes, Schema.String.pipe(HttpApiSchema.asText(), HttpApiSchema.status(202))],
    error: refusesWith(400, 404, 503)
  }).annotate(
    OpenApi.Summary,
    "The blob's metainfo, or its arrival while an origin receives it from its upstream registry; 202 before"
  )
)
