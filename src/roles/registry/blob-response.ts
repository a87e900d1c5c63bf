// Decides how immutable content named by a digest is sent over HTTP: whole, a single range (206, 416), or not at all
// because the client has it (304). Registries and origins share it. It refuses to know where the bytes come from; the
// stream that it is given starts only when the body is written, so a HEAD reads nothing.

import type { Stream } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import type { Digest } from "../../protocol/digest.ts"
import { formatContentRange, parseRange } from "./byte-range.ts"
import { ociError, ociErrorResponse } from "./oci-error.ts"

export interface BlobResponseOptions<E> {
  readonly request: HttpServerRequest.HttpServerRequest
  readonly digest: Digest
  /** Bytes. */
  readonly length: number
  readonly read: (start: number, end: number) => Stream.Stream<Uint8Array, E>
}

/** The entity tag of content: its digest, as strong as one can be. */
export const entityTag = (digest: Digest): string => `"${digest}"`

/** Whether an `If-None-Match` names this content. */
export const matchesEntityTag = (header: string | undefined, digest: Digest): boolean =>
  (header ?? "").split(",").some((part) => {
    const tag = part.trim().replace(/^W\//, "")
    return tag === "*" || tag === entityTag(digest) || tag === digest
  })

export const blobResponse = <E>(options: BlobResponseOptions<E>): HttpServerResponse.HttpServerResponse => {
  const { request, digest, length } = options
  const headers = {
    "docker-content-digest": digest,
    etag: entityTag(digest),
    "accept-ranges": "bytes",
    "cache-control": "max-age=31536000, immutable",
    "content-type": "application/octet-stream"
  }
  if (matchesEntityTag(request.headers["if-none-match"], digest)) {
    return HttpServerResponse.empty({ status: 304, headers })
  }
  // A Range counts for GET only; an If-Range that names other content asks for the whole.
  const ifRange = request.headers["if-range"]
  const ranged = request.method === "GET" && (ifRange === undefined || matchesEntityTag(ifRange, digest))
  const range = parseRange(ranged ? request.headers.range : undefined, length)
  if (range.tag === "Unsatisfiable") {
    return ociErrorResponse(
      ociError("SIZE_INVALID", {
        status: 416,
        message: `the Range "${request.headers.range}" names no byte of a blob of ${length} bytes`,
        headers: { ...headers, "content-range": `bytes */${length}` }
      })
    )
  }
  const { start, end } = range.tag === "Part" ? range : { start: 0, end: length }
  const partial =
    range.tag === "Part"
      ? { status: 206, headers: { ...headers, "content-range": formatContentRange(start, end, length) } }
      : { status: 200, headers }
  if (request.method === "HEAD" || end === start) {
    return HttpServerResponse.empty({
      status: partial.status,
      headers: { ...partial.headers, "content-length": String(end - start) }
    })
  }
  return HttpServerResponse.stream(options.read(start, end), {
    ...partial,
    contentType: headers["content-type"],
    contentLength: end - start
  })
}
