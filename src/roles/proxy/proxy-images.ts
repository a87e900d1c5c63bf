// How a proxy serves and stores images: content from and to the origins, names from and to the build-indexes. It
// stores nothing itself.
//
// Invariants: a tag is put only after its manifest is durable at an origin, and a blob linked only after it is; a
// repository serves only its own contents.

import { Effect, Stream } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import { digestAlgorithm } from "../../protocol/wire/digest.ts"
import type {
  BuildIndexClient,
  BuildIndexError,
  BuildIndexUnavailable,
  WriteRefused
} from "../client/build-index-client.ts"
import { manifestRecord } from "../client/build-index-records.ts"
import { indexFailed, indexListings } from "../client/index-listings.ts"
import type { OriginClient } from "../client/origin-client.ts"
import type { BlobRejected, OriginReadError } from "../client/origin-errors.ts"
import { type OciError, ociError } from "../oci/oci-error.ts"
import { isRepositoryName } from "../oci/repository-path.ts"
import { type ImageSink, SinkUnavailable } from "../registry/image-sink.ts"
import {
  type ImageSource,
  ImageUnavailable,
  ImageUnknown,
  type ResolvedManifest
} from "../registry/image-source.ts"
import { readEach } from "../registry/multipart-ranges.ts"
import type { BlobStat } from "../services/blob-store.ts"
import type { Digests } from "../services/digests.ts"
import type { PushedBlobs } from "./forwarded-blobs.ts"

export interface ProxyImagesOptions {
  readonly origins: OriginClient
  readonly buildIndex: BuildIndexClient
  /** None where uploads grow at an origin, which makes a committed blob durable in the cluster itself. */
  readonly forward: PushedBlobs["forward"]
  readonly digests: Digests["Service"]
}

/** A source needs the reading part of the origins. */
export const makeProxySource = (
  options: Pick<ProxyImagesOptions, "buildIndex" | "digests"> & {
    readonly origins: Pick<OriginClient, "stat" | "read">
  }
): ImageSource => {
  const { origins, buildIndex, digests } = options

  // A client asks before it pushes, and an unreachable origin must not block the push: unknown is then unknown.
  const originFailed = (what: "manifest" | "blob") => (error: OriginReadError) =>
    error._tag === "BlobUnknown"
      ? new ImageUnknown({ what, message: error.message })
      : new ImageUnavailable({ message: error.message })

  /** Asks the origins about a blob only when the repository has it. */
  const ofRepository = (repository: string, digest: Digest) =>
    Effect.matchEffect(buildIndex.hasBlob(repository, digest, "renew"), {
      onSuccess: (there) =>
        there
          ? Effect.void
          : Effect.fail(new ImageUnknown({ what: "blob", message: `${repository} has no blob ${digest}` })),
      onFailure: ({ message }) => Effect.fail(new ImageUnavailable({ message }))
    })

  return {
    resolve: (repository, reference) => {
      const found: Effect.Effect<ResolvedManifest, BuildIndexError> =
        reference.tag === "Tag"
          ? buildIndex.tag(repository, reference.name)
          : buildIndex.manifest(repository, reference.digest)
      return Effect.mapError(found, indexFailed("manifest"))
    },
    manifest: (repository, { digest, size }) =>
      origins.read(repository, digest, 0, size).pipe(
        Stream.mkUint8Array,
        Effect.mapError(originFailed("manifest")),
        Effect.filterOrFail(
          (bytes) => digests.digest(digestAlgorithm(digest), bytes) === digest,
          () => new ImageUnavailable({ message: `the origins gave other content than ${digest}` })
        )
      ),
    // The renewed link keeps the blob at every origin while a client relies on the answer.
    statBlob: (repository, digest) =>
      Effect.andThen(
        ofRepository(repository, digest),
        Effect.mapError(origins.stat(repository, digest), originFailed("blob"))
      ),
    readBlob: (repository, digest, selection) =>
      readEach(selection, (start, end) => origins.read(repository, digest, start, end)).pipe(
        Stream.mapError(originFailed("blob"))
      ),
    ...indexListings(buildIndex)
  }
}

type PublishError = OriginReadError | BlobRejected | BuildIndexUnavailable

export const makeProxySink = (options: ProxyImagesOptions): ImageSink => {
  const { origins, buildIndex, forward } = options
  const notTaken = ({ message }: OriginReadError | BlobRejected | BuildIndexUnavailable) =>
    new SinkUnavailable({ message })

  const publish = (repository: string, stat: BlobStat) => {
    const { digest, length } = stat
    const link = buildIndex.link(repository, digest, length)
    const linked: Effect.Effect<void, PublishError> =
      forward === undefined
        ? origins.rely(repository, digest, () => link)
        : forward(stat, (blob) => origins.put(repository, digest, blob, link))
    return Effect.mapError(linked, notTaken)
  }

  /** Deletions that find nothing answer in the words of the API. */
  const deletion =
    (code: "MANIFEST_UNKNOWN" | "BLOB_UNKNOWN") =>
    (error: BuildIndexError | WriteRefused): SinkUnavailable | OciError => {
      if (error._tag === "WriteRefused") return error.error
      return error._tag === "TagUnknown" ? ociError(code, { message: error.message }) : notTaken(error)
    }

  return {
    publishBlob: publish,
    mountBlob: (repository, digest, from) =>
      Effect.gen(function* () {
        if (from !== undefined) {
          if (!isRepositoryName(from)) return false
          if (!(yield* Effect.mapError(buildIndex.hasBlob(from, digest, "renew"), notTaken))) return false
        }
        return yield* origins
          .rely(repository, digest, ({ length }) => buildIndex.link(repository, digest, length))
          .pipe(
            Effect.as(true),
            Effect.catchIf(
              (error) => error._tag === "BlobUnknown" && error.unreachable.length === 0,
              () => Effect.succeed(false)
            ),
            Effect.mapError(notTaken)
          )
      }),
    putManifest: (repository, { digest, bytes, content, tags, by }) =>
      Effect.gen(function* () {
        const record = manifestRecord(digest, bytes.byteLength, content)
        const body = { length: bytes.byteLength, bytes: Stream.succeed(bytes) }
        yield* Effect.mapError(
          origins.put(repository, digest, body, buildIndex.putManifest(repository, record, tags, by)),
          (error) => (error._tag === "WriteRefused" ? error.error : notTaken(error))
        )
      }),
    deleteManifest: (repository, reference, by) =>
      Effect.mapError(
        reference.tag === "Tag"
          ? buildIndex.deleteTag(repository, reference.name, by)
          : buildIndex.deleteManifest(repository, reference.digest, by),
        deletion("MANIFEST_UNKNOWN")
      ),
    deleteBlob: (repository, digest) =>
      Effect.mapError(buildIndex.unlink(repository, digest), deletion("BLOB_UNKNOWN"))
  }
}
