// Decides what an origin is: it takes blobs in for good, makes their metainfo, copies them to the other owners, and
// seeds them. It puts the parts together and answers HTTP (paths: blob-path.ts); each part says what it decides in its
// own file.
//
//   PUT blob:  intend copies -> receive, digest checked -> metainfo -> copy to the other owners -> 201
//
// Invariant: 201 means that the blob is durable here, has metainfo, and is copied or queued to be.

import { Effect, Option } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { ringOwners } from "../../protocol/kit/hash-ring.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { encodeMetainfo, type Metainfo, pieceCount } from "../../protocol/wire/metainfo.ts"
import { type BlobEndpoint, parseBlobPath } from "../client/blob-path.ts"
import { makeBuildIndexClient } from "../client/build-index-client.ts"
import { AskLimits } from "../client/limits.ts"
import { baseUrl, makeUpstreams } from "../client/upstreams.ts"
import { type HostProgram, RoleMisconfigured, type StartedRole } from "../host-program.ts"
import { endpointHandler } from "../http/endpoint-handler.ts"
import { type HttpRoute, makeHttpApp } from "../http/http-app.ts"
import { makeRequestCounter } from "../http/http-requests.ts"
import type { BlobSelection } from "../oci/byte-range.ts"
import { OciLimits } from "../oci/limits.ts"
import { type OciError, ociError } from "../oci/oci-error.ts"
import { makePeerEngine, type PeerEngine } from "../peer/peer-engine.ts"
import { peerIdOf } from "../peer/peer-identity.ts"
import { blobResponse } from "../registry/blob-response.ts"
import { readEach } from "../registry/multipart-ranges.ts"
import { type StoreFailure, storeFailure } from "../registry/store-failure.ts"
import { toDuration } from "../services/clock.ts"
import { HostStorage } from "../services/host-storage.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { makeUpstreamRegistries } from "../upstream/upstream-registries.ts"
import type { OriginConfig } from "./config.ts"
import { makeOriginCollect } from "./origin-collect.ts"
import { decodeCopy, metainfoLengthParameter } from "./origin-copy.ts"
import { makeOriginMirror } from "./origin-mirror.ts"
import { makeOriginRepair } from "./origin-repair.ts"
import { makeOriginReplication } from "./origin-replication.ts"
import { makeOriginTouches } from "./origin-touches.ts"
import { makeTransientUploads, type TransientUploads } from "./transient-uploads.ts"

export interface Origin extends StartedRole {
  readonly engine: PeerEngine
}

type Answer = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  StoreFailure | OciError,
  HttpServerRequest.HttpServerRequest | HttpServerRequest.ParsedSearchParams
>

const methods = ["GET", "PUT"] as const
const paths = ["/namespace/*", "/internal/*"] as const
/** A digest that nothing has: a question whose answer only shows that the store answers. */
const nobodysDigest = `sha256:${"0".repeat(64)}` as Digest

export const origin = (config: OriginConfig): HostProgram<Origin> =>
  Effect.gen(function* () {
    const members = config.origins.map(baseUrl)
    const self = baseUrl(config.self)
    if (!members.includes(self)) {
      return yield* new RoleMisconfigured({
        message: `origin: self is ${self} but origins are ${members.join(", ")}: name this origin in both`
      })
    }
    if (config.collect.every !== undefined && config.buildIndexes === undefined) {
      return yield* new RoleMisconfigured({
        message:
          "origin: collect.every is given, but not buildIndexes: name all of them, they know what is needed"
      })
    }
    const storage = yield* HostStorage
    const { originReplicas, healthTimeout } = yield* AskLimits
    const oci = yield* OciLimits
    const metrics = makeRoleMetrics("origin")
    const counter = makeRequestCounter(metrics)
    const blobs = yield* storage.blobs(config.data)
    const tables = yield* storage.tables(config.data)
    const peerId = yield* peerIdOf(config.data)
    const { peer, rates } = config
    const engine = yield* makePeerEngine({
      blobs,
      kind: "origin",
      peerId,
      peer,
      rates,
      metrics,
      seedArc: (metainfo) => {
        // Equal shares: together the owners have sent each piece out once when each has sent its own.
        const owners = ringOwners(metainfo.digest, members, originReplicas)
        const place = Math.max(0, owners.indexOf(self))
        const begin = (share: number) => Math.floor((share * pieceCount(metainfo)) / owners.length)
        return { firstPiece: begin(place), endPiece: begin(place + 1) }
      }
    })
    const upstreams = yield* makeUpstreams
    const touches = yield* makeOriginTouches
    const uploads = yield* makeTransientUploads(blobs, tables)
    const transient: TransientUploads = {
      receive: (digest, bytes) => touches.using(digest, uploads.receive(digest, bytes))
    }
    const repair = yield* makeOriginRepair({ blobs, transient, upstreams, members, self })
    const replication = yield* makeOriginReplication({
      ...{ blobs, tables, upstreams, repair, members, self, metrics }
    })
    const mirror =
      config.upstreams.length === 0
        ? undefined
        : yield* makeOriginMirror({
            registries: yield* makeUpstreamRegistries(config.upstreams),
            transient,
            repair,
            replication,
            upstreams,
            members,
            self,
            metrics
          })

    const stored = (status: 200 | 201) =>
      HttpServerResponse.empty({ status, headers: { "content-length": "0" } })
    const unknown = (digest: Digest) => ociError("BLOB_UNKNOWN", { message: `${digest} is not here` })

    const metainfoResponse = (metainfo: Metainfo) =>
      HttpServerResponse.uint8Array(encodeMetainfo(metainfo), { contentType: "application/octet-stream" })

    /** Who is answered "there" to a HEAD of a blob relies on it; a GET has its bytes already. */
    const touchedByHead = (digest: Digest) =>
      Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        if (request.method === "HEAD") yield* touches.touch(digest)
        return request
      })

    const getBlob = (digest: Digest): Answer =>
      Effect.gen(function* () {
        const request = yield* touchedByHead(digest)
        const stat = yield* blobs.stat(digest)
        if (Option.isNone(stat)) return yield* unknown(digest)
        const { length } = stat.value
        const read = (selection: BlobSelection) =>
          readEach(selection, (start, end) => blobs.read(digest, start, end))
        return blobResponse({ request, digest, length, read, limits: oci })
      })

    const putBlob = (digest: Digest): Answer =>
      Effect.gen(function* () {
        if (Option.isSome(yield* blobs.stat(digest))) {
          yield* repair.completed(digest)
          return stored(200)
        }
        const request = yield* HttpServerRequest.HttpServerRequest
        const commit = Effect.andThen(transient.receive(digest, request.stream), repair.completed(digest))
        yield* replication.aroundCommit(digest, commit)
        return stored(201)
      }).pipe((put) => touches.using(digest, put))

    const ownMetainfo = (digest: Digest) =>
      Effect.gen(function* () {
        if (Option.isNone(yield* blobs.stat(digest))) return Option.none()
        return Option.map(yield* blobs.metainfo(digest), (torrent) => torrent.metainfo)
      })

    const putCopy = (digest: Digest): Answer =>
      Effect.gen(function* () {
        if (Option.isSome(yield* ownMetainfo(digest))) return stored(200)
        const request = yield* HttpServerRequest.HttpServerRequest
        const query = yield* HttpServerRequest.ParsedSearchParams
        const parameter = query[metainfoLengthParameter]
        const copy = yield* decodeCopy(digest, String(parameter), request.stream)
        if (typeof copy === "string") return yield* ociError("BLOB_UPLOAD_INVALID", { message: copy })
        if (Option.isNone(yield* blobs.stat(digest))) {
          const { length } = yield* transient.receive(digest, copy.blob)
          if (length !== copy.metainfo.length) {
            return yield* ociError("SIZE_INVALID", {
              message: `${digest} has ${length} bytes, its metainfo says ${copy.metainfo.length}`
            })
          }
        }
        yield* blobs.putMetainfo(copy.metainfo)
        return stored(201)
      }).pipe(Effect.scoped, (put) => touches.using(digest, put))

    const metainfoOf = (namespace: string, digest: Digest): Answer =>
      Effect.gen(function* () {
        const found = yield* repair.metainfo(namespace, digest)
        if (Option.isSome(found)) return metainfoResponse(found.value)
        const fetched = mirror === undefined ? Option.none() : yield* mirror.metainfo(namespace, digest)
        return Option.isSome(fetched) ? metainfoResponse(fetched.value) : yield* unknown(digest)
      }).pipe(
        Effect.catchTag("BlobOnItsWay", ({ message }) =>
          Effect.succeed(HttpServerResponse.text(`${message}\n`, { status: 202 }))
        )
      )

    const read = (endpoint: BlobEndpoint): Answer => {
      switch (endpoint.tag) {
        case "Blob":
          return getBlob(endpoint.digest)
        case "Metainfo":
          return metainfoOf(endpoint.namespace, endpoint.digest)
        case "OwnMetainfo":
          return Effect.flatMap(
            Effect.andThen(touchedByHead(endpoint.digest), ownMetainfo(endpoint.digest)),
            (found) =>
              Option.isSome(found)
                ? Effect.succeed(metainfoResponse(found.value))
                : Effect.fail(unknown(endpoint.digest))
          )
        case "Peer": {
          const address = { peerId, address: engine.address, kind: engine.kind }
          return Effect.succeed(
            HttpServerResponse.text(JSON.stringify(address), { contentType: "application/json" })
          )
        }
        case "Copy":
          return Effect.fail(ociError("UNSUPPORTED", { message: "a copy is only put here" }))
      }
    }

    const write = (endpoint: BlobEndpoint): Answer => {
      if (endpoint.tag === "Blob") return putBlob(endpoint.digest)
      if (endpoint.tag === "Copy") return putCopy(endpoint.digest)
      return Effect.fail(ociError("UNSUPPORTED", { message: `${endpoint.tag.toLowerCase()} is only read` }))
    }

    const handler = endpointHandler({
      role: "the origin",
      counter,
      routeName: (kind) => kind,
      parse: parseBlobPath,
      read,
      write,
      failed: storeFailure
    })

    const routes: ReadonlyArray<HttpRoute> = paths.flatMap((path) =>
      methods.map((method) => ({ method, path, handler }))
    )
    const collecting =
      config.buildIndexes === undefined
        ? []
        : yield* makeOriginCollect({
            ...{ blobs, touches, engine, replication, counter, metrics },
            config: config.collect,
            buildIndex: yield* makeBuildIndexClient(config.buildIndexes)
          })
    const notReady = blobs.stat(nobodysDigest).pipe(
      Effect.timeout(toDuration(healthTimeout)),
      Effect.match({
        onSuccess: (): ReadonlyArray<string> => [],
        onFailure: (error) => [`the blob store in ${config.data} does not answer: ${error.message}`]
      })
    )
    const app = yield* makeHttpApp([...routes, ...collecting], { role: "origin", metrics, notReady })
    return { listeners: [{ name: "origin", listen: config.http, app }], engine }
  })
