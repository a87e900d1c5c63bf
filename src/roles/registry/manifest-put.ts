// Push of a manifest. It is accepted if it is small enough, well-formed JSON that matches its digest, and if the
// repository has everything that it names except the subject. Its bytes are stored unchanged. A push by digest may
// move several tags at once.

import { Effect, Stream } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { digestAlgorithm } from "../../protocol/wire/digest.ts"
import { isManifestRefused, type NamedContent, parseManifest } from "../oci/manifest.ts"
import { type OciError, ociError } from "../oci/oci-error.ts"
import { formatRegistryPath, isTagName, type ManifestReference, tagInvalid } from "../oci/repository-path.ts"
import type { Digests } from "../services/digests.ts"
import { uploadFailure } from "./blob-upload.ts"
import { changedBy } from "./changed-by.ts"
import type { ImageSink } from "./image-sink.ts"
import type { RegistryLimits } from "./limits.ts"

export type ManifestPut = (
  repository: string,
  reference: ManifestReference
) => Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  OciError,
  HttpServerRequest.HttpServerRequest | HttpServerRequest.ParsedSearchParams
>

const tooMany = (): OciError =>
  ociError("TOOMANYREQUESTS", {
    message: "too many manifests are being pushed at the same time: try again",
    headers: { "retry-after": "1" }
  })

/** `maxBytes` limits one manifest; the manifests in memory at the same time have a limit together. */
export const makeManifestPut = (
  sink: ImageSink,
  digests: Digests["Service"],
  maxBytes: number,
  limits: RegistryLimits
): ManifestPut => {
  /** Bytes of all manifests that are being received. */
  let gathered = 0

  const tooLarge = (): OciError =>
    ociError("SIZE_INVALID", { status: 413, message: `a manifest has at most ${maxBytes} bytes` })

  /** Counts what passes until the stream ends, and fails as soon as it is too much. */
  const bounded = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>) =>
    Stream.suspend(() => {
      let length = 0
      return bytes.pipe(
        Stream.tap((chunk) => {
          length += chunk.byteLength
          gathered += chunk.byteLength
          if (length > maxBytes) return tooLarge()
          return gathered > limits.maxGatheredManifests ? tooMany() : Effect.void
        }),
        Stream.ensuring(
          Effect.sync(() => {
            gathered -= length
          })
        )
      )
    })

  /** The request's body; fails as soon as it is too large. */
  const body = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    if (Number(request.headers["content-length"] ?? 0) > maxBytes) return yield* tooLarge()
    return yield* Stream.mkUint8Array(bounded(request.stream))
  })

  /** The tags of a push by digest: ?tag=a&tag=b. */
  const queryTags = Effect.gen(function* () {
    const { tag } = yield* HttpServerRequest.ParsedSearchParams
    const tags = [...new Set(tag === undefined ? [] : typeof tag === "string" ? [tag] : tag)]
    if (tags.length > limits.maxTagsPerPut) {
      return yield* ociError("TAG_INVALID", {
        status: 414,
        message: `one push moves at most ${limits.maxTagsPerPut} tags, not ${tags.length}: push again for the others`
      })
    }
    const wrong = tags.find((name) => !isTagName(name))
    return wrong === undefined ? tags : yield* tagInvalid(wrong)
  })

  /** Adds to MANIFEST_BLOB_UNKNOWN the role in the manifest of each missing digest. */
  const explained = (names: ReadonlyArray<NamedContent>, error: OciError): OciError => {
    if (error.code !== "MANIFEST_BLOB_UNKNOWN" || !Array.isArray(error.detail)) return error
    const missing = new Set<unknown>(error.detail)
    const absent = names.filter(({ digest }) => missing.has(digest))
    return ociError("MANIFEST_BLOB_UNKNOWN", {
      message: `the manifest names content that was not pushed to this repository: ${absent
        .slice(0, 10)
        .map(({ digest }) => digest)
        .join(", ")}${absent.length > 10 ? ` and ${absent.length - 10} more` : ""}`,
      detail: absent.slice(0, limits.maxMissingListed).map(({ digest, kind }) => ({ digest, kind }))
    })
  }

  return (repository, reference) =>
    Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const bytes = yield* body
      const wanted = reference.tag === "Digest" ? reference.digest : undefined
      const digest = digests.digest(wanted === undefined ? "sha256" : digestAlgorithm(wanted), bytes)
      if (wanted !== undefined && wanted !== digest) {
        return yield* ociError("DIGEST_INVALID", {
          message: `the manifest is ${digest}, not ${wanted}`,
          detail: { expected: wanted, actual: digest }
        })
      }
      const manifest = parseManifest(bytes, request.headers["content-type"])
      if (isManifestRefused(manifest))
        return yield* ociError("MANIFEST_INVALID", { message: manifest.reason })
      const told = reference.tag === "Digest" ? yield* queryTags : []
      const tags = reference.tag === "Tag" ? [reference.name] : told
      yield* sink
        .putManifest(repository, { digest, bytes, content: manifest, tags, by: changedBy(request, limits) })
        .pipe(
          Effect.mapError((error) => (error._tag === "OciError" ? explained(manifest.names, error) : error))
        )
      return HttpServerResponse.empty({
        status: 201,
        headers: {
          location: formatRegistryPath({ tag: "Manifest", repository, reference: { tag: "Digest", digest } }),
          "docker-content-digest": digest,
          "content-length": "0",
          ...(told.length === 0 ? {} : { "oci-tag": told.join(", ") }),
          ...(manifest.subject === undefined ? {} : { "oci-subject": manifest.subject })
        }
      })
    }).pipe(Effect.mapError(uploadFailure))
}
