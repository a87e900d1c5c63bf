// Decides how a proxy serves and takes images: content from and to the origins, names from and to the build-indexes.
// It keeps nothing itself but uploads under way and, for a moment, the blob that it hands on.
//
// Invariants: a tag is put only after its manifest is durable at an origin; a blob leaves the proxy's store only when
// nobody hands it on any more.

import { Effect, Stream } from "effect"
import type { Digest } from "../protocol/digest.ts"
import { digestAlgorithm } from "../protocol/digest.ts"
import type { BuildIndexClient, BuildIndexError, BuildIndexUnavailable } from "./build-index-client.ts"
import type { OriginClient } from "./origin-client.ts"
import type { BlobRejected, OriginReadError, OriginUnavailable } from "./origin-errors.ts"
import { type ImageSink, SinkUnavailable } from "./registry/image-sink.ts"
import { type ImageSource, ImageUnavailable, ImageUnknown } from "./registry/image-source.ts"
import type { BlobStat, BlobStore } from "./services/blob-store.ts"
import type { Digests } from "./services/digests.ts"

export interface ProxyImagesOptions {
  readonly origins: OriginClient
  readonly buildIndex: BuildIndexClient
  readonly blobs: BlobStore
  readonly digests: Digests["Service"]
}

export const makeProxySource = (options: ProxyImagesOptions): ImageSource => {
  const { origins, buildIndex, digests } = options

  const indexFailed = (what: "manifest" | "repository") => (error: BuildIndexError) =>
    error._tag === "TagUnknown"
      ? new ImageUnknown({ what, message: error.message })
      : new ImageUnavailable({ message: error.message })

  // A client asks before it pushes: an origin that is away must not keep it from that, so unknown is unknown.
  const originFailed = (what: "manifest" | "blob") => (error: OriginReadError) =>
    error._tag === "BlobUnknown"
      ? new ImageUnknown({ what, message: error.message })
      : new ImageUnavailable({ message: error.message })

  return {
    resolve: (repository, reference) =>
      Effect.mapError(
        reference.tag === "Tag"
          ? buildIndex.tag(repository, reference.name)
          : buildIndex.manifest(repository, reference.digest),
        indexFailed("manifest")
      ),
    manifest: (repository, { digest, size }) =>
      origins.read(repository, digest, 0, size).pipe(
        Stream.mkUint8Array,
        Effect.mapError(originFailed("manifest")),
        Effect.filterOrFail(
          (bytes) => digests.digest(digestAlgorithm(digest), bytes) === digest,
          () => new ImageUnavailable({ message: `the origins gave other content than ${digest}` })
        )
      ),
    statBlob: (repository, digest) => Effect.mapError(origins.stat(repository, digest), originFailed("blob")),
    readBlob: (repository, digest, start, end) =>
      Stream.mapError(origins.read(repository, digest, start, end), originFailed("blob")),
    tags: (repository, page) => Effect.mapError(buildIndex.tags(repository, page), indexFailed("repository")),
    repositories: (page) => Effect.mapError(buildIndex.repositories(page), indexFailed("repository"))
  }
}

export const makeProxySink = (options: ProxyImagesOptions): ImageSink => {
  const { origins, buildIndex, blobs } = options
  /** How many requests hand on each blob now. */
  const handedOn = new Map<Digest, number>()

  const notTaken = (error: OriginUnavailable | BlobRejected | BuildIndexUnavailable) =>
    new SinkUnavailable({ message: error.message })

  const hold = (digest: Digest) => Effect.sync(() => handedOn.set(digest, (handedOn.get(digest) ?? 0) + 1))

  const release = (digest: Digest) =>
    Effect.suspend(() => {
      const others = handedOn.get(digest)! - 1
      if (others > 0) {
        handedOn.set(digest, others)
        return Effect.void
      }
      handedOn.delete(digest)
      return Effect.catch(blobs.remove(digest), (error) =>
        Effect.logWarning(`${digest} stays in the proxy's store until the next start: ${error.message}`)
      )
    })

  const publish = (repository: string, { digest, length }: BlobStat) =>
    Effect.mapError(
      origins.put(repository, digest, { length, bytes: blobs.read(digest, 0, length) }),
      notTaken
    )

  return {
    hasBlob: (repository, digest) =>
      Effect.matchEffect(origins.stat(repository, digest), {
        onSuccess: () => Effect.succeed(true),
        onFailure: (error) =>
          error._tag === "BlobUnknown" && error.unreachable.length === 0
            ? Effect.succeed(false)
            : Effect.fail(new SinkUnavailable({ message: error.message }))
      }),
    publishBlob: (repository, stat) =>
      Effect.acquireUseRelease(
        hold(stat.digest),
        () => publish(repository, stat),
        () => release(stat.digest)
      ),
    putManifest: (repository, { digest, mediaType, bytes, tag }) =>
      Effect.gen(function* () {
        const record = { digest, mediaType, size: bytes.byteLength }
        yield* origins.put(repository, digest, { length: bytes.byteLength, bytes: Stream.succeed(bytes) })
        yield* tag === undefined
          ? buildIndex.putManifest(repository, record)
          : buildIndex.putTag(repository, tag, record)
      }).pipe(Effect.mapError(notTaken))
  }
}
