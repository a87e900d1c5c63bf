// Image source of an agent, for the registry read API: the image resolver resolves names, downloads through the swarm
// deliver content, and each listing is a question to the build-index.

import { Effect, Stream } from "effect"
import type { BuildIndexClient } from "../client/build-index-client.ts"
import { indexListings } from "../client/index-listings.ts"
import { wholeOf } from "../oci/byte-range.ts"
import {
  type BlobReadOutcome,
  type ImageSource,
  ImageUnavailable,
  ImageUnknown
} from "../registry/image-source.ts"
import { durationMetric, type RoleMetrics } from "../services/metrics.ts"
import type { Downloads, PullError } from "./downloads.ts"
import type { ImageResolver } from "./image-resolver.ts"

const blobReads = durationMetric("shoal_blob_pull_seconds", {
  of: "agents",
  description: "Time from a client's GET of a blob or of ranges until its last byte is handed over",
  labels: { outcome: "`done`, `failed`, or `cancelled` by the client" }
})

const pullFailed =
  (what: "manifest" | "blob") =>
  (error: PullError): ImageUnknown | ImageUnavailable =>
    error._tag === "BlobUnknown"
      ? new ImageUnknown({ what, message: error.message })
      : new ImageUnavailable({
          message: error.message,
          ...(error.reason === undefined ? {} : { reason: error.reason })
        })

export const makeAgentImages = (
  downloads: Downloads,
  buildIndex: BuildIndexClient,
  resolver: ImageResolver,
  metrics: RoleMetrics
): ImageSource => {
  const reads = new Map<BlobReadOutcome, (seconds: number) => void>()
  return {
    blobRead: (outcome, seconds) => {
      const took = reads.get(outcome) ?? metrics.durations(blobReads, { outcome })
      reads.set(outcome, took)
      took(seconds)
    },
    resolve: (repository, reference) =>
      reference.tag === "Digest"
        ? resolver.manifest(repository, reference.digest)
        : resolver.tag(repository, reference.name),
    manifest: (repository, manifest) =>
      downloads
        .read(repository, manifest.digest, wholeOf(manifest.size))
        // Chunks that are kept are copied: the next one may have their memory.
        .pipe(
          Stream.map((chunk) => new Uint8Array(chunk)),
          Stream.mkUint8Array,
          Effect.mapError(pullFailed("manifest"))
        ),
    statBlob: (repository, digest) =>
      Effect.andThen(
        resolver.blob(repository, digest),
        downloads.torrent(repository, digest).pipe(
          Effect.map(({ metainfo }) => ({ length: metainfo.length })),
          Effect.mapError(pullFailed("blob"))
        )
      ),
    prepareBlob: (repository, digest, selection) =>
      Effect.mapError(downloads.prepare(repository, digest, selection), pullFailed("blob")),
    readBlob: (repository, digest, selection) =>
      Stream.mapError(downloads.read(repository, digest, selection), pullFailed("blob")),
    ...indexListings(buildIndex)
  }
}
