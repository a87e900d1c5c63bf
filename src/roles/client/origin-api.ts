// HTTP API of an origin: blobs, their metainfo, copies from other owners, and the origin's place in the swarm. A
// client made from this definition makes the small calls. A blob's bytes are sent and read by hand (blob-path.ts,
// blob-send.ts, origin-read.ts), because they have ranges, do not fit in memory, and have no time limit except that
// they must move.

import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { everyPath, refusesWith } from "../http/api-refusals.ts"
import { Answering } from "../http/api-routes.ts"
import { DigestText, PeerAddressJson } from "../http/wire-schema.ts"
import { Bytes, metainfoGroup, ofBlob } from "./metainfo-api.ts"

const ofDigest = { digest: DigestText }
const stream = HttpApiSchema.StreamUint8Array()

const blob = HttpApiGroup.make("blob").add(
  HttpApiEndpoint.get("get", "/namespace/:namespace/blobs/:digest", {
    params: ofBlob,
    headers: {
      range: Schema.optionalKey(Schema.String),
      "if-range": Schema.optionalKey(Schema.String),
      "if-match": Schema.optionalKey(Schema.String),
      "if-none-match": Schema.optionalKey(Schema.String)
    },
    success: [stream, Bytes.pipe(HttpApiSchema.status(206)), HttpApiSchema.Empty(304)],
    error: refusesWith(400, 404, 412, 416, 503)
  }).annotate(OpenApi.Summary, "The blob, whole or by ranges. HEAD keeps it for the grace period"),
  HttpApiEndpoint.put("put", "/namespace/:namespace/blobs/:digest", {
    params: ofBlob,
    payload: stream,
    success: [HttpApiSchema.Created, HttpApiSchema.Empty(200)],
    error: refusesWith(400, 503, 507)
  }).annotate(
    OpenApi.Summary,
    "Stores the blob, cuts it, copies it to its other owners; 200 when it is here already"
  )
)

const copy = HttpApiGroup.make("copy").add(
  HttpApiEndpoint.put("put", "/internal/blobs/:digest", {
    params: ofDigest,
    query: { metainfo: Schema.optionalKey(Schema.String) },
    payload: stream,
    success: [HttpApiSchema.Created, HttpApiSchema.Empty(200)],
    error: refusesWith(400, 503, 507)
  }).annotate(OpenApi.Summary, "A copy from another owner: `metainfo` bytes of metainfo, then the blob")
)

const ownmetainfo = HttpApiGroup.make("ownmetainfo").add(
  HttpApiEndpoint.get("get", "/internal/blobs/:digest/metainfo", {
    params: ofDigest,
    success: Bytes,
    error: refusesWith(400, 404, 503)
  }).annotate(
    OpenApi.Summary,
    "The metainfo of a blob that this origin has itself. HEAD keeps it for the grace period"
  )
)

const peer = HttpApiGroup.make("peer").add(
  HttpApiEndpoint.get("get", "/internal/peer", { success: PeerAddressJson }).annotate(
    OpenApi.Summary,
    "The origin's peer id and the address at which it seeds"
  )
)

export const OriginApi = HttpApi.make("origin")
  .add(blob, metainfoGroup, copy, ownmetainfo, peer)
  .middleware(Answering)
  .annotate(OpenApi.Title, "Shoal origin")
  .annotate(OpenApi.Description, everyPath)
