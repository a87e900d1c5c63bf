// Image source: where the registry read API gets images. Agents implement it over the swarm and proxies over the
// origins; the API knows only this interface.
//
// Invariants of an implementation: the bytes of a manifest match its digest. `readBlob` gives exactly the bytes of
// the selection or fails. resolve, statBlob and the listings download no content. A request that cannot be answered
// fails soon.

import { Data, type Effect, type Stream } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { BlobSelection } from "../oci/byte-range.ts"
import type { ManifestReference } from "../oci/repository-path.ts"

/** The image or blob does not exist: 404. */
export class ImageUnknown extends Data.TaggedError("ImageUnknown")<{
  readonly what: "manifest" | "blob" | "repository"
  readonly message: string
}> {}

/** The image or blob is not available now: 503, or 507 if the host has no room for it. `message` says why. */
export class ImageUnavailable extends Data.TaggedError("ImageUnavailable")<{
  readonly message: string
  readonly reason?: "full"
}> {}

export type ImageSourceError = ImageUnknown | ImageUnavailable

export interface ResolvedManifest {
  readonly digest: Digest
  readonly mediaType: string
  /** Bytes of the manifest. */
  readonly size: number
  /** Seconds since its authority confirmed it; absent if that was just now, or if it never changes. */
  readonly age?: number
}

/** A page of the referrers of a manifest, sorted by digest. */
export interface ReferrersFound {
  readonly referrers: ReadonlyArray<Referrer>
  /** Whether more referrers follow the last one. */
  readonly more: boolean
  /** The manifest of the subject's fallback tag (OCI: "Referrers Tag Schema"). */
  readonly fallback?: ResolvedManifest
}

/** OCI descriptor of a manifest that refers to another. */
export interface Referrer {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** A change of a tag; a change without a digest is a deletion. */
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

/** "cancelled" when the client hung up. */
export type BlobReadOutcome = "done" | "failed" | "cancelled"

export interface ImageSource {
  /** The manifest of a tag or digest. */
  readonly resolve: (
    repository: string,
    reference: ManifestReference
  ) => Effect.Effect<ResolvedManifest, ImageSourceError>
  /** The exact bytes of a resolved manifest. */
  readonly manifest: (
    repository: string,
    manifest: ResolvedManifest
  ) => Effect.Effect<Uint8Array, ImageSourceError>
  readonly statBlob: (
    repository: string,
    digest: Digest
  ) => Effect.Effect<{ readonly length: number }, ImageSourceError>
  /** Called before the response begins: fails if the ranges cannot be delivered, as far as that is known. */
  readonly prepareBlob?: (
    repository: string,
    digest: Digest,
    selection: BlobSelection
  ) => Effect.Effect<void, ImageSourceError>
  /** The bytes of the ranges, one range after another, as soon as they arrive. Interruption ends the demand. */
  readonly readBlob: (
    repository: string,
    digest: Digest,
    selection: BlobSelection
  ) => Stream.Stream<Uint8Array, ImageSourceError>
  /** Told when a read of a blob has ended, or has failed before its first byte. */
  readonly blobRead?: (outcome: BlobReadOutcome, seconds: number) => void
  /** The list is empty for an unknown repository or subject. */
  readonly referrers: (
    repository: string,
    subject: Digest,
    page: PageRequest,
    artifactType: string | undefined
  ) => Effect.Effect<ReferrersFound, ImageSourceError>
  /** The last changes of a tag, latest first. */
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
