// The answers of an origin to its HTTP API (client/origin-api.ts): it stores blobs and copies, and serves blobs and
// metainfo.
//
// Invariant: 201 to a PUT of a blob means that the blob is durable here, has metainfo, and is copied or queued for
// copying. A client that gets 200 to a HEAD relies on the blob, which is touched; a client of a GET has its bytes
// already. Whoever takes a copy computes its hash tree itself, and refuses metainfo with another root.

import { Effect, Layer, Option } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiBuilder } from "effect/http-api"
import { type Digest, toHex } from "../../protocol/wire/digest.ts"
import { encodeMetainfo } from "../../protocol/wire/metainfo.ts"
import type { PeerAddress } from "../../protocol/wire/peer-id.ts"
import { OriginApi } from "../client/origin-api.ts"
import type { BlobSelection } from "../oci/byte-range.ts"
import type { OciLimits } from "../oci/limits.ts"
import { type OciError, ociError } from "../oci/oci-error.ts"
import { blobResponse } from "../registry/blob-response.ts"
import { readEach } from "../registry/multipart-ranges.ts"
import { type StoreFailure, storeFailure } from "../registry/store-failure.ts"
import type { BlobStore } from "../services/blob-store.ts"
import { decodeCopy } from "./origin-copy.ts"
import type { OriginMirror } from "./origin-mirror.ts"
import type { OriginRepair } from "./origin-repair.ts"
import type { OriginReplication } from "./origin-replication.ts"
import type { OriginTouches } from "./origin-touches.ts"

export interface OriginAnswersOptions {
  readonly blobs: BlobStore
  readonly receive: BlobStore["receive"]
  readonly touches: OriginTouches
  readonly repair: OriginRepair
  readonly replication: Pick<OriginReplication, "aroundCommit">
  /** None without upstream registries. */
  readonly mirror: OriginMirror | undefined
  readonly peer: PeerAddress
  readonly limits: OciLimits
}

/** The origin's own answers fit its schemas, and the client checks them. */
const api = OriginApi.annotate(HttpApi.SuccessParseOptions, { disableChecks: true })

const unknown = (digest: Digest) => ociError("BLOB_UNKNOWN", { message: `${digest} is not here` })

const inOci = <A, R>(effect: Effect.Effect<A, StoreFailure | OciError, R>): Effect.Effect<A, OciError, R> =>
  Effect.mapError(effect, storeFailure)

const stored = (status: 200 | 201) => HttpServerResponse.empty({ status })

export const originAnswers = (options: OriginAnswersOptions) => {
  const { blobs, receive, touches, repair, replication, mirror, peer, limits } = options

  const touchedByHead = (request: HttpServerRequest.HttpServerRequest, digest: Digest) =>
    request.method === "HEAD" ? touches.touch(digest) : Effect.void

  const getBlob = (request: HttpServerRequest.HttpServerRequest, digest: Digest) =>
    Effect.gen(function* () {
      yield* touchedByHead(request, digest)
      const stat = yield* blobs.stat(digest)
      if (Option.isNone(stat)) return yield* unknown(digest)
      const { length } = stat.value
      const read = (selection: BlobSelection) =>
        readEach(selection, (start, end) => blobs.read(digest, start, end))
      return blobResponse({ request, digest, length, read, limits })
    })

  const putBlob = (request: HttpServerRequest.HttpServerRequest, digest: Digest) =>
    Effect.gen(function* () {
      if (Option.isSome(yield* blobs.stat(digest))) {
        yield* repair.completed(digest)
        return stored(200)
      }
      const commit = Effect.andThen(receive(digest, request.stream), repair.completed(digest))
      yield* replication.aroundCommit(digest, commit)
      return stored(201)
    }).pipe((put) => touches.using(digest, put))

  const ownMetainfo = (digest: Digest) =>
    Effect.gen(function* () {
      if (Option.isNone(yield* blobs.stat(digest))) return Option.none()
      return Option.map(yield* blobs.metainfo(digest), (torrent) => torrent.metainfo)
    })

  const putCopy = (request: HttpServerRequest.HttpServerRequest, digest: Digest, metainfoLength?: string) =>
    Effect.gen(function* () {
      if (Option.isSome(yield* ownMetainfo(digest))) return stored(200)
      const copy = yield* decodeCopy(digest, metainfoLength, request.stream)
      if (typeof copy === "string") return yield* ociError("BLOB_UPLOAD_INVALID", { message: copy })
      if (Option.isNone(yield* blobs.stat(digest))) {
        const { length } = yield* receive(digest, copy.blob)
        if (length !== copy.metainfo.length) {
          return yield* ociError("SIZE_INVALID", {
            message: `${digest} has ${length} bytes, its metainfo says ${copy.metainfo.length}`
          })
        }
      }
      const { pieceLength, root } = copy.metainfo
      const own = yield* blobs.makeMetainfo(digest, pieceLength)
      if (toHex(own.metainfo.root) !== toHex(root)) {
        return yield* ociError("BLOB_UPLOAD_INVALID", {
          message: `the tree of ${digest} has the root ${toHex(own.metainfo.root)}, its metainfo says ${toHex(root)}`
        })
      }
      return stored(201)
    }).pipe(Effect.scoped, (put) => touches.using(digest, put))

  const metainfo = (namespace: string, digest: Digest) =>
    Effect.gen(function* () {
      // Others are not asked for it as long as it arrives here.
      const arrival = mirror?.arriving(digest)
      if (arrival !== undefined) return encodeMetainfo(arrival)
      const found = yield* repair.metainfo(namespace, digest)
      if (Option.isSome(found)) return encodeMetainfo(found.value)
      const fetched = mirror === undefined ? Option.none() : yield* mirror.metainfo(namespace, digest)
      return Option.isSome(fetched) ? encodeMetainfo(fetched.value) : yield* unknown(digest)
    }).pipe(Effect.catchTag("BlobOnItsWay", ({ message }) => Effect.succeed(`${message}\n`)))

  return Layer.mergeAll(
    HttpApiBuilder.group(api, "blob", (handlers) =>
      handlers
        .handleRaw("get", ({ request, params }) => inOci(getBlob(request, params.digest)))
        .handleRaw("put", ({ request, params }) => inOci(putBlob(request, params.digest)))
    ),
    HttpApiBuilder.group(api, "copy", (handlers) =>
      handlers.handleRaw("put", ({ request, params, query }) =>
        inOci(putCopy(request, params.digest, query.metainfo))
      )
    ),
    HttpApiBuilder.group(api, "metainfo", (handlers) =>
      handlers.handle("get", ({ params }) => inOci(metainfo(params.namespace, params.digest)))
    ),
    HttpApiBuilder.group(api, "ownmetainfo", (handlers) =>
      handlers.handle("get", ({ request, params: { digest } }) =>
        Effect.andThen(touchedByHead(request, digest), ownMetainfo(digest)).pipe(
          Effect.flatMap((found) =>
            Option.isSome(found)
              ? Effect.succeed(encodeMetainfo(found.value))
              : Effect.andThen(repair.missed(digest), Effect.fail(unknown(digest)))
          ),
          inOci
        )
      )
    ),
    HttpApiBuilder.group(api, "peer", (handlers) => handlers.handle("get", () => Effect.succeed(peer)))
  )
}
