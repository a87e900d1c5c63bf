// Listing of referrers (OCI distribution spec 1.1, "Listing Referrers"): an image index of descriptors, sorted by
// digest, filtered by artifact type, in pages that link to the next. Entries of the fallback tag, which clients used
// before this API existed, are merged in if the repository still has their manifests.

import { Effect, Option, Schema } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import type { Digest } from "../../protocol/wire/digest.ts"
import { DigestText } from "../http/wire-schema.ts"
import { type Page, parsePage, singleParameter } from "../oci/listing.ts"
import { mediaTypes } from "../oci/manifest.ts"
import { OciError } from "../oci/oci-error.ts"
import { formatRegistryPath } from "../oci/repository-path.ts"
import type { ImageSource, Referrer, ReferrersFound, ResolvedManifest } from "./image-source.ts"
import type { ApiLimits } from "./limits.ts"

/** The part of a client's index that is read; other fields are ignored. */
const FallbackIndex = Schema.fromJsonString(
  Schema.Struct({
    manifests: Schema.Array(
      Schema.Struct({
        mediaType: Schema.String,
        digest: DigestText,
        size: Schema.Int,
        artifactType: Schema.optionalKey(Schema.String),
        annotations: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
      })
    )
  })
)
const decodeFallback = Schema.decodeUnknownOption(FallbackIndex)

/** Answers a request for the referrers of `subject`; its query has the filter and the page. */
export const readReferrers = Effect.fnUntraced(function* (
  source: ImageSource,
  limits: ApiLimits,
  repository: string,
  subject: Digest
) {
  const query = yield* HttpServerRequest.ParsedSearchParams
  const page = parsePage(query, limits)
  if (page instanceof OciError) return yield* page
  const artifactType = singleParameter(query.artifactType)
  const { count, last } = page
  const request = { limit: count, ...(last === undefined ? {} : { last }) }
  const found = yield* source.referrers(repository, subject, request, artifactType)
  const fallback = yield* listedByFallback(
    source,
    limits,
    repository,
    found.fallback,
    (referrer) =>
      (artifactType === undefined || referrer.artifactType === artifactType) &&
      (last === undefined || referrer.digest > last)
  )
  const { referrers, more } = merged(found, fallback, page)
  const next = more ? referrers.at(-1)?.digest : undefined
  const filter = artifactType === undefined ? "" : `artifactType=${encodeURIComponent(artifactType)}&`
  const path = formatRegistryPath({ tag: "Referrers", repository, digest: subject })
  return HttpServerResponse.text(
    JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: referrers }),
    {
      contentType: mediaTypes.ociIndex,
      headers: {
        ...(artifactType === undefined ? {} : { "oci-filters-applied": "artifactType" }),
        ...(next === undefined ? {} : { link: `<${path}?${filter}n=${count}&last=${next}>; rel="next"` })
      }
    }
  )
})

/** The entries of the fallback tag whose manifests the repository still has. */
const listedByFallback = Effect.fnUntraced(function* (
  source: ImageSource,
  limits: ApiLimits,
  repository: string,
  fallback: ResolvedManifest | undefined,
  wanted: (referrer: Referrer) => boolean
) {
  if (fallback?.mediaType !== mediaTypes.ociIndex) return []
  const text = new TextDecoder().decode(yield* source.manifest(repository, fallback))
  const index = decodeFallback(text)
  if (Option.isNone(index)) return []
  const present = (referrer: Referrer) =>
    source.resolve(repository, { tag: "Digest", digest: referrer.digest }).pipe(
      Effect.as(true),
      Effect.catchTag("ImageUnknown", () => Effect.succeed(false))
    )
  return yield* Effect.filter(index.value.manifests.filter(wanted), present, {
    concurrency: limits.maxParallelLookups
  })
})

const merged = (
  { referrers, more }: ReferrersFound,
  fallback: ReadonlyArray<Referrer>,
  page: Page
): { readonly referrers: ReadonlyArray<Referrer>; readonly more: boolean } => {
  const end = more ? referrers.at(-1)?.digest : undefined
  const byDigest = new Map<Digest, Referrer>()
  for (const referrer of fallback) {
    if (end === undefined || referrer.digest <= end) byDigest.set(referrer.digest, referrer)
  }
  for (const referrer of referrers) byDigest.set(referrer.digest, referrer)
  const sorted = [...byDigest.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1))
  return { referrers: sorted.slice(0, page.count), more: more || sorted.length > page.count }
}
