// HTTP response with immutable content named by a digest: the whole blob, one or several ranges (206), or no body
// because the client has the content (304), wants other content (412), or asks for bytes that do not exist (416) or
// for too many ranges (400). Registries and origins share it. It does not know where the bytes come from. The stream
// of the bytes starts when the body is written, so a HEAD reads nothing.

import type { Stream } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import type { Digest } from "../../protocol/wire/digest.ts"
import { ociErrorResponse } from "../http/error-response.ts"
import { type BlobSelection, formatContentRange, parseRange, wholeOf } from "../oci/byte-range.ts"
import { allowsRange, entityTag, failsIfMatch, matchesEntityTag } from "../oci/entity-tag.ts"
import type { OciLimits } from "../oci/limits.ts"
import { ociError } from "../oci/oci-error.ts"
import { multipartRanges } from "./multipart-ranges.ts"

export interface BlobResponseOptions<E> {
  readonly request: HttpServerRequest.HttpServerRequest
  readonly digest: Digest
  /** Bytes of the whole blob. */
  readonly length: number
  /** The bytes of the selection's ranges, one range after another. */
  readonly read: (selection: BlobSelection) => Stream.Stream<Uint8Array, E>
  readonly limits: OciLimits
}

const octets = "application/octet-stream"

export const blobResponse = <E>(options: BlobResponseOptions<E>): HttpServerResponse.HttpServerResponse => {
  const { request, digest, length, read, limits } = options
  const asked = request.headers
  const headers = {
    "docker-content-digest": digest,
    etag: entityTag(digest),
    "accept-ranges": "bytes",
    "cache-control": "max-age=31536000, immutable"
  }
  // The order of RFC 9110, section 13.2.2.
  if (failsIfMatch(asked["if-match"], digest)) {
    return ociErrorResponse(
      ociError("UNSUPPORTED", {
        status: 412,
        message: `the content here is ${entityTag(digest)}, which If-Match does not name`,
        headers: { etag: entityTag(digest) }
      })
    )
  }
  if (matchesEntityTag(asked["if-none-match"], digest)) {
    return HttpServerResponse.empty({ status: 304, headers })
  }
  // Only a GET has a Range; an If-Range that names other content asks for the whole.
  const isRanged = request.method === "GET" && allowsRange(asked["if-range"], digest)
  const range = parseRange(isRanged ? asked.range : undefined, length, limits)
  switch (range.tag) {
    case "TooMany":
      // 400 instead of 416, because clients that ask for many chunks then ask for fewer at once.
      return ociErrorResponse(
        ociError("SIZE_INVALID", {
          status: 400,
          message: `the Range header names more than ${limits.maxRanges} ranges; ask for fewer in a request`,
          headers: { "accept-ranges": "bytes" }
        })
      )
    case "Unsatisfiable":
      return ociErrorResponse(
        ociError("SIZE_INVALID", {
          status: 416,
          message:
            `the Range "${asked.range?.slice(0, 200)}" names no byte of a blob of ${length} bytes, ` +
            `or has more than ${limits.maxRangeOverlaps} ranges that overlap`,
          headers: { ...headers, "content-range": `bytes */${length}` }
        })
      )
    case "Whole": {
      const whole = wholeOf(length)
      if (request.method === "HEAD" || length === 0) {
        return HttpServerResponse.empty({
          status: 200,
          headers: { ...headers, "content-type": octets, "content-length": String(length) }
        })
      }
      return HttpServerResponse.stream(read(whole), { headers, contentType: octets, contentLength: length })
    }
    case "Parts": {
      const { ranges } = range
      const bytes = read({ ranges, isWhole: false })
      const [only] = ranges
      if (only !== undefined && ranges.length === 1) {
        return HttpServerResponse.stream(bytes, {
          status: 206,
          headers: { ...headers, "content-range": formatContentRange(only.start, only.end, length) },
          contentType: octets,
          contentLength: only.end - only.start
        })
      }
      const { frame, contentType, contentLength } = multipartRanges(digest, length, ranges)
      return HttpServerResponse.stream(frame(bytes), { status: 206, headers, contentType, contentLength })
    }
  }
}
