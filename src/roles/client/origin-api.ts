// HTTP API of an origin: blobs, their metainfo, copies from other owners, and the origin's place in the swarm. Its small
// calls are asked by a client made of this definition; a blob's bytes are sent and read by hand (blob-path.ts,
// blob-send.ts, origin-read.ts), since they have ranges, no end in memory, and no time limit but that they move.

import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { refusesWith } from "../http/api-refusals.ts"
import { Answering } from "../http/api-routes.ts"
import { DigestText, PeerAddressJson } from "../http/wire-schema.ts"
import { Bytes, metainfoGroup, ofBlob } from "./metainfo-api.ts"

const ofDigest = { digest: DigestText }
const stream = HttpApiSchema.StreamUint8Array()

const blob = HttpApiGroup.make("blob").add(
  HttpApiEndpoint.get("get", "/namespace/:namespace/blobs/:digest", {
    params: ofBlob,
    headers: { range: Schema.optionalKey(Schema.String) },
    success: [stream, Bytes.pipe(HttpApiSchema.status(206))],
    error: refusesWith(400, 404, 503)
  }).annotate(OpenApi.Summary, "The blob, whole or by ranges. HEAD keeps it for the grace"),
  HttpApiEndpoint.put("put", "/namespace/:namespace/blobs/:digest", {
    params: ofBlob,
    payload: stream,
    success: [HttpApiSchema.Created, HttpApiSchema.Empty(200)],
    error: refusesWith(400, 503)
  }).annotate(
    OpenApi.Summary,
    "Takes the blob in for good, cuts it, copies it to its other owners; 200 when it is here already"
  )
)

const copy = HttpApiGroup.make("copy").add(
  HttpApiEndpoint.put("put", "/internal/blobs/:digest", {
    params: ofDigest,
    query: { metainfo: Schema.optionalKey(Schema.String) },
    payload: stream,
    success: [HttpApiSchema.Created, HttpApiSchema.Empty(200)],
    error: refusesWith(400, 503)
  }).annotate(OpenApi.Summary, "A copy from another owner: `metainfo` bytes of metainfo, then the blob")
)

const ownmetainfo = HttpApiGroup.make("ownmetainfo").add(
  HttpApiEndpoint.get("get", "/internal/blobs/:digest/metainfo", {
    params: ofDigest,
    success: Bytes,
    error: refusesWith(400, 404, 503)
  }).annotate(
    OpenApi.Summary,
    "The metainfo of a blob that this origin has itself. HEAD keeps it for the grace"
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
