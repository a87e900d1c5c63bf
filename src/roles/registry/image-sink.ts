// Decides what the registry write API asks of whoever keeps what is pushed. Uploads grow in the host's own store
// (upload-sessions.ts); what is complete is handed on through this interface.
//
// Invariants for an implementation: when a publish or put succeeds, the content is durable in the cluster and belongs to
// the repository; a deletion that succeeded holds for every read that begins later. An OciError is what the client is to
// be told.

import { Data, type Effect } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { BlobStat } from "../services/blob-store.ts"
import type { ManifestContent } from "../oci/manifest.ts"
import type { OciError } from "../oci/oci-error.ts"
import type { ManifestReference } from "../oci/repository-path.ts"

/** The cluster could not take it, or could not be asked. `message` says why. */
export class SinkUnavailable extends Data.TaggedError("SinkUnavailable")<{ readonly message: string }> {}

interface PushedManifest {
  readonly digest: Digest
  /** The exact bytes that the client sent. */
  readonly bytes: Uint8Array
  readonly content: ManifestContent
  /** Tags that move to it. */
  readonly tags: ReadonlyArray<string>
  /** Who pushes, for the tags' history. */
  readonly by: string
}

type Change = Effect.Effect<void, SinkUnavailable | OciError>

export interface ImageSink {
  /** Hands on a blob that is complete in the host's store; it need not stay there. */
  readonly publishBlob: (repository: string, stat: BlobStat) => Effect.Effect<void, SinkUnavailable>
  /** Gives the repository a blob of `from`, or of anywhere when that is undefined; false when it is not there. */
  readonly mountBlob: (
    repository: string,
    digest: Digest,
    from: string | undefined
  ) => Effect.Effect<boolean, SinkUnavailable>
  /** Refused with MANIFEST_BLOB_UNKNOWN and the digests as detail when the repository lacks what it names. */
  readonly putManifest: (repository: string, manifest: PushedManifest) => Change
  /** A tag alone, or a manifest with its tags. */
  readonly deleteManifest: (repository: string, reference: ManifestReference, by: string) => Change
  readonly deleteBlob: (repository: string, digest: Digest) => Change
}
