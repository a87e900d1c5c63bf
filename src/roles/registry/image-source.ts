// Decides what the registry read API asks of whoever has the images: an agent (through the swarm) or a proxy (from the
// origins). The API knows no more of either than this.
//
// Invariants for an implementation: manifest bytes hash to their digest; `readBlob` gives exactly the bytes asked for
// or fails; resolve, statBlob and the listings download no content; whatever cannot be answered fails soon.

import { Data, type Effect, type Stream } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { BlobSelection } from "../oci/byte-range.ts"
import type { ManifestReference } from "../oci/repository-path.ts"

/** It does not exist here: 404. */
export class ImageUnknown extends Data.TaggedError("ImageUnknown")<{
  readonly what: "manifest" | "blob" | "repository"
  readonly message: string
}> {}

/** It may exist, but cannot be had now: 503, or 507 when there is no room for it here. `message` says why. */
export class ImageUnavailable extends Data.TaggedError("ImageUnavailable")<{
  readonly message: string
  readonly reason?: "full"
}> {}

export type ImageSourceError = ImageUnknown | ImageUnavailable

export interface ResolvedManifest {
  readonly digest: Digest
  readonly mediaType: string
  /** Bytes. */
  readonly size: number
  /** Seconds since whoever decides it said so; absent when it was asked just now, or never changes. */
  readonly age?: number
}

/** What refers to a manifest: a page sorted by digest. */
export interface ReferrersFound {
  readonly referrers: ReadonlyArray<Referrer>
  /** More follow the last one. */
  readonly more: boolean
  /** What the fallback tag of the subject names (OCI: "Referrers Tag Schema"). */
  readonly fallback?: ResolvedManifest
}

/** OCI's descriptor of a manifest that refers to another. */
export interface Referrer {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** A change of a tag; without a digest it was deleted. */
interface TagChange {
  readonly version: number
  /** Milliseconds since 1970. */
  readonly at: number
  readonly by: string
  readonly digest?: Digest
}

/** A page of a sorted listing: entries greater than `last`, at most `limit`. */
export interface PageRequest {
  readonly last?: string
  readonly limit: number
}

export interface ImageSource {
  /** What a tag or digest of a repository names. */
  readonly resolve: (
    repository: string,
    reference: ManifestReference
  ) => Effect.Effect<ResolvedManifest, ImageSourceError>
  /** The exact bytes of a manifest that resolve named. */
  readonly manifest: (
    repository: string,
    manifest: ResolvedManifest
  ) => Effect.Effect<Uint8Array, ImageSourceError>
  readonly statBlob: (
    repository: string,
    digest: Digest
  ) => Effect.Effect<{ readonly length: number }, ImageSourceError>
  /** Before the first byte is promised to a client: fails if it can be known now that the ranges cannot be had. */
  readonly prepareBlob?: (
    repository: string,
    digest: Digest,
    selection: BlobSelection
  ) => Effect.Effect<void, ImageSourceError>
  /** The bytes of the ranges, one after another, each as soon as it is there. Interrupting it withdraws the wish. */
  readonly readBlob: (
    repository: string,
    digest: Digest,
    selection: BlobSelection
  ) => Stream.Stream<Uint8Array, ImageSourceError>
  /** None is no error, whatever the repository. */
  readonly referrers: (
    repository: string,
    subject: Digest,
    page: PageRequest,
    artifactType: string | undefined
  ) => Effect.Effect<ReferrersFound, ImageSourceError>
  /** The last changes of a tag, last first. */
  readonly history: (
    repository: string,
    tag: string
  ) => Effect.Effect<ReadonlyArray<TagChange>, ImageSourceError>
  /** Tags of a repository, sorted. */
  readonly tags: (
    repository: string,
    page: PageRequest
  ) => Effect.Effect<ReadonlyArray<string>, ImageSourceError>
  /** Names of repositories, sorted. */
  readonly repositories: (page: PageRequest) => Effect.Effect<ReadonlyArray<string>, ImageSourceError>
}
