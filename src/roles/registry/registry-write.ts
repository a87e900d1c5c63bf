// Decides which part answers a write: uploads of blobs, and manifests. What later issues bring (deletion) is refused by
// name.

import { Effect } from "effect"
import type { Digests } from "../services/digests.ts"
import { makeBlobUploads } from "./blob-upload.ts"
import type { ImageSink } from "./image-sink.ts"
import { makeManifestPut } from "./manifest-put.ts"
import { ociError } from "./oci-error.ts"
import type { RegistryWrite } from "./registry-routes.ts"
import type { UploadSessions } from "./upload-sessions.ts"

export const makeRegistryWrite = (options: {
  readonly uploads: UploadSessions
  readonly sink: ImageSink
  readonly digests: Digests["Service"]
}): RegistryWrite => {
  const blobs = makeBlobUploads(options.uploads, options.sink)
  const putManifest = makeManifestPut(options.sink, options.digests)
  return (method, endpoint) => {
    if (endpoint.tag === "Uploads" && method === "POST") return blobs.begin(endpoint.repository)
    if (endpoint.tag === "Upload") return blobs.upload(method, endpoint.repository, endpoint.upload)
    if (endpoint.tag === "Manifest" && method === "PUT")
      return putManifest(endpoint.repository, endpoint.reference)
    return Effect.fail(
      ociError("UNSUPPORTED", { message: `${method} of ${endpoint.tag.toLowerCase()} is not supported here` })
    )
  }
}
