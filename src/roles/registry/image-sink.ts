// Image sink: where the registry write API stores pushed content. Uploads grow in the host's own store
// (upload-sessions.ts); complete blobs and manifests go through this interface.
//
// Invariants of an implementation: after a successful publish or put the content is durable in the cluster and
// belongs to the repository. No read that begins after a successful deletion finds what was deleted. An OciError is
// the answer for the client.

import { Data, type Effect } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { ManifestContent } from "../oci/manifest.ts"
import type { OciError } from "../oci/oci-error.ts"
import type { ManifestReference } from "../oci/repository-path.ts"
import type { BlobStat } from "../services/blob-store.ts"

/** The cluster did not store the content, or could not be reached. `message` says why. */
export class SinkUnavailable extends Data.TaggedError("SinkUnavailable")<{ readonly message: string }> {}

interface PushedManifest {
  readonly digest: Digest
  /** The exact bytes that the client sent. */
  readonly bytes: Uint8Array
  readonly content: ManifestContent
  /** Tags that move to this manifest. */
  readonly tags: ReadonlyArray<string>
  /** The client, for the history of the tags. */
  readonly by: string
}

type Change = Effect.Effect<void, SinkUnavailable | OciError>

export interface ImageSink {
  /** Stores a blob that is complete in the host's store, which may drop it afterwards. */
  readonly publishBlob: (repository: string, stat: BlobStat) => Effect.Effect<void, SinkUnavailable>
  /** Links a blob of the repository `from`, or of any if undefined; false if no such blob exists. */
  readonly mountBlob: (
    repository: string,
    digest: Digest,
    from: string | undefined
  ) => Effect.Effect<boolean, SinkUnavailable>
  /** Fails with MANIFEST_BLOB_UNKNOWN, and the digests as detail, if the repository lacks content that it names. */
  readonly putManifest: (repository: string, manifest: PushedManifest) => Change
  /** Deletes a tag, or a manifest with its tags. */
  readonly deleteManifest: (repository: string, reference: ManifestReference, by: string) => Change
  readonly deleteBlob: (repository: string, digest: Digest) => Change
}
