// Writes of the registry API: dispatches uploads of blobs and pushes of manifests, and deletes tags, manifests and
// blobs (OCI distribution spec, "Content Management": 202, and 404 afterwards).

import { Effect } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { ociError } from "../oci/oci-error.ts"
import type { Digests } from "../services/digests.ts"
import { makeBlobUploads, uploadFailure } from "./blob-upload.ts"
import { changedBy } from "./changed-by.ts"
import type { ImageSink } from "./image-sink.ts"
import type { RegistryLimits } from "./limits.ts"
import { makeManifestPut } from "./manifest-put.ts"
import type { RegistryWrite } from "./registry-routes.ts"
import type { UploadPace } from "./upload-pace.ts"
import type { UploadSessions } from "./upload-sessions.ts"

export const makeRegistryWrite = (options: {
  readonly uploads: UploadSessions
  readonly sink: ImageSink
  readonly digests: Digests["Service"]
  readonly pace: UploadPace
  /** The limit of a manifest in bytes. */
  readonly manifestBytes: number
  readonly limits: RegistryLimits
}): RegistryWrite => {
  const { sink, limits } = options
  const blobs = makeBlobUploads(options.uploads, sink, options.pace)
  const putManifest = makeManifestPut(sink, options.digests, options.manifestBytes, limits)
  const accepted = HttpServerResponse.empty({ status: 202, headers: { "content-length": "0" } })

  /** A deletion, with the client's name for the tag's history. */
  const deletion = Effect.fnUntraced(function* (remove: (by: string) => ReturnType<ImageSink["deleteBlob"]>) {
    const request = yield* HttpServerRequest.HttpServerRequest
    yield* remove(changedBy(request, limits))
    return accepted
  }, Effect.mapError(uploadFailure))

  return (method, endpoint) => {
    if (endpoint.tag === "Uploads" && method === "POST") return blobs.begin(endpoint.repository)
    if (endpoint.tag === "Upload") return blobs.upload(method, endpoint.repository, endpoint.upload)
    if (endpoint.tag === "Manifest") {
      const { repository, reference } = endpoint
      if (method === "PUT") return putManifest(repository, reference)
      if (method === "DELETE") return deletion((by) => sink.deleteManifest(repository, reference, by))
    }
    if (endpoint.tag === "Blob" && method === "DELETE") {
      return deletion(() => sink.deleteBlob(endpoint.repository, endpoint.digest))
    }
    return Effect.fail(
      ociError("UNSUPPORTED", { message: `${method} of ${endpoint.tag.toLowerCase()} is not supported here` })
    )
  }
}
