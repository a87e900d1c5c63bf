// Pushes of blobs (OCI distribution spec, "Push"): a session opened by POST, chunks by PATCH with or without
// Content-Range, the end by PUT; or everything in one POST; or a mount of a blob of another repository. Locations are
// relative, so a client needs no other address. It does not know where complete blobs are stored.
//
//   POST uploads/            202 session     | ?digest= 201 | ?mount= 201, or 202 if the blob is unknown
//                            ?digest-algorithm= is validated; a session accepts either algorithm
//   PATCH uploads/{id}       202, Range of the whole upload; 416 if the chunk is out of order
//   GET uploads/{id}         204, Range
//   PUT uploads/{id}?digest= 201; 400 if the content has another digest, and the upload is discarded
//   DELETE uploads/{id}      204

import { Effect } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import type { Digest } from "../../protocol/wire/digest.ts"
import { clientOfRequest } from "../http/client-limits.ts"
import { formatUploadRange, parseChunkRange } from "../oci/byte-range.ts"
import { singleParameter } from "../oci/listing.ts"
import { OciError, ociError } from "../oci/oci-error.ts"
import { formatRegistryPath, parseClientDigest } from "../oci/repository-path.ts"
import type { ImageSink, SinkUnavailable } from "./image-sink.ts"
import { type StoreFailure, storeFailure } from "./store-failure.ts"
import type { UploadPace } from "./upload-pace.ts"
import type { TooManyUploads, UploadBusy, UploadSessions } from "./upload-sessions.ts"

export interface BlobUploads {
  readonly begin: (repository: string) => Answer
  /** GET, PATCH, PUT or DELETE of an upload. */
  readonly upload: (method: string, repository: string, upload: string) => Answer
}

type Answer = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  OciError,
  HttpServerRequest.HttpServerRequest | HttpServerRequest.ParsedSearchParams
>

/** Whether the request declares an empty body. */
const hasNoBody = (request: HttpServerRequest.HttpServerRequest): boolean =>
  request.headers["content-length"] === "0"

export const uploadFailure = (
  error: StoreFailure | UploadBusy | TooManyUploads | SinkUnavailable | OciError
): OciError => {
  if (error instanceof OciError) return error
  switch (error._tag) {
    case "UploadBusy":
      return ociError("BLOB_UPLOAD_INVALID", {
        status: 409,
        message: `another request is writing upload ${error.upload}: wait until it ends, then ask for its Range`
      })
    case "TooManyUploads":
      return ociError("TOOMANYREQUESTS", {
        message:
          error.whose === "all"
            ? `${error.open} uploads are open, which is the limit of this registry: try again later`
            : `you have ${error.open} uploads open, which is the limit of a client: finish or cancel some`,
        headers: { "retry-after": "10" }
      })
    case "SinkUnavailable":
      return ociError("UNAVAILABLE", { message: error.message, headers: { "retry-after": "1" } })
    default:
      return storeFailure(error)
  }
}

export const makeBlobUploads = (uploads: UploadSessions, sink: ImageSink, pace: UploadPace): BlobUploads => {
  const begin = (repository: string) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
      uploads.begin(repository, clientOfRequest(request))
    )

  const sessionHeaders = (repository: string, upload: string, size: number) => ({
    location: formatRegistryPath({ tag: "Upload", repository, upload }),
    "docker-upload-uuid": upload,
    range: formatUploadRange(size)
  })

  const sessionResponse = (status: 202 | 204, repository: string, upload: string, size: number) =>
    HttpServerResponse.empty({
      status,
      headers: {
        ...sessionHeaders(repository, upload, size),
        ...(status === 202 ? { "content-length": "0" } : {})
      }
    })

  const created = (repository: string, digest: Digest) =>
    HttpServerResponse.empty({
      status: 201,
      headers: {
        location: formatRegistryPath({ tag: "Blob", repository, digest }),
        "docker-content-digest": digest,
        "content-length": "0"
      }
    })

  const queryDigest = Effect.gen(function* () {
    const query = yield* HttpServerRequest.ParsedSearchParams
    const text = singleParameter(query.digest)
    if (text === undefined) {
      return yield* ociError("DIGEST_INVALID", {
        message: "the query must name the blob: ?digest=sha256:..."
      })
    }
    const digest = parseClientDigest(text)
    return digest instanceof OciError ? yield* digest : digest
  })

  const finish = Effect.fn("registry.commitUpload")(function* (
    repository: string,
    upload: string,
    digest: Digest
  ) {
    const stat = yield* uploads.commit(repository, upload, digest)
    yield* sink.publishBlob(repository, stat)
    return created(repository, digest)
  })

  /** The offsets that a chunk declares; undefined without a Content-Range. */
  const chunkOf = (request: HttpServerRequest.HttpServerRequest) => {
    const header = request.headers["content-range"]
    if (header === undefined) return Effect.succeed(undefined)
    const chunk = parseChunkRange(header)
    const length = request.headers["content-length"]
    if (chunk === undefined) {
      return Effect.fail(
        ociError("BLOB_UPLOAD_INVALID", {
          message: `the Content-Range "${header.slice(0, 80)}" is not <first byte>-<last byte>`
        })
      )
    }
    if (length !== undefined && Number(length) !== chunk.end - chunk.start) {
      return Effect.fail(
        ociError("SIZE_INVALID", {
          message: `the Content-Range ${header} and the Content-Length ${length} differ`
        })
      )
    }
    return Effect.succeed(chunk)
  }

  /** Appends the request's body and returns the new size. */
  const append = Effect.fnUntraced(function* (repository: string, upload: string) {
    const request = yield* HttpServerRequest.HttpServerRequest
    const chunk = yield* chunkOf(request)
    if (hasNoBody(request)) return yield* uploads.size(repository, upload)
    const size = yield* Effect.catchTag(
      uploads.append(repository, upload, chunk?.start, pace(request.stream)),
      "UploadOffsetWrong",
      (error) =>
        ociError("BLOB_UPLOAD_INVALID", {
          status: 416,
          message: `the upload holds ${error.expected} bytes, the chunk begins at ${error.got}`,
          headers: sessionHeaders(repository, upload, error.expected)
        })
    )
    if (chunk !== undefined && size !== chunk.end) {
      return yield* ociError("SIZE_INVALID", {
        message: `the chunk must end the upload at ${chunk.end} bytes, but it holds ${size}: ask for its Range`,
        headers: sessionHeaders(repository, upload, size)
      })
    }
    return size
  })

  const session = (repository: string) =>
    Effect.map(begin(repository), (upload) => sessionResponse(202, repository, upload, 0))

  const mount = Effect.fn("registry.mount")(function* (
    repository: string,
    text: string,
    from: string | undefined
  ) {
    const digest = parseClientDigest(text)
    if (digest instanceof OciError) return yield* digest
    // A failed mount is not an error of the request: the client uploads the blob instead.
    const there = yield* Effect.catch(sink.mountBlob(repository, digest, from), (error) =>
      Effect.logWarning("cannot mount the blob:", error).pipe(
        Effect.annotateLogs({ digest }),
        Effect.as(false)
      )
    )
    return there ? created(repository, digest) : yield* session(repository)
  })

  const monolithic = Effect.fnUntraced(function* (repository: string) {
    const digest = yield* queryDigest
    const upload = yield* begin(repository)
    return yield* Effect.andThen(append(repository, upload), finish(repository, upload, digest)).pipe(
      // The client does not know the session's name, so it cannot resume the upload.
      Effect.onError(() => Effect.ignore(uploads.abort(repository, upload)))
    )
  })

  return {
    begin: (repository) =>
      Effect.gen(function* () {
        const query = yield* HttpServerRequest.ParsedSearchParams
        const algorithm = singleParameter(query["digest-algorithm"])
        if (algorithm !== undefined && algorithm !== "sha256" && algorithm !== "sha512") {
          return yield* ociError("DIGEST_INVALID", {
            message: `the digest algorithm "${algorithm.slice(0, 40)}" is not supported: use sha256 or sha512`
          })
        }
        const mounted = singleParameter(query.mount)
        if (mounted !== undefined) return yield* mount(repository, mounted, singleParameter(query.from))
        return query.digest === undefined ? yield* session(repository) : yield* monolithic(repository)
      }).pipe(Effect.mapError(uploadFailure)),

    upload: (method, repository, upload) =>
      Effect.gen(function* () {
        switch (method) {
          case "GET":
          case "HEAD":
            return sessionResponse(204, repository, upload, yield* uploads.size(repository, upload))
          case "PATCH":
            return sessionResponse(202, repository, upload, yield* append(repository, upload))
          case "PUT": {
            const digest = yield* queryDigest
            yield* append(repository, upload)
            return yield* finish(repository, upload, digest)
          }
          case "DELETE":
            yield* uploads.abort(repository, upload)
            return HttpServerResponse.empty({ status: 204 })
          default:
            return yield* ociError("UNSUPPORTED", { message: `${method} of an upload is not supported` })
        }
      }).pipe(Effect.mapError(uploadFailure))
  }
}
