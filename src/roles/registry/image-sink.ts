// Decides what the registry write API asks of whoever keeps what is pushed. Uploads grow in the host's own store
// (upload-sessions.ts); what is complete is handed on through this interface.
//
// Invariant for an implementation: when a publish or put succeeds, the content is durable in the cluster.

import { Data, type Effect } from "effect"
import type { Digest } from "../../protocol/digest.ts"
import type { BlobStat } from "../services/blob-store.ts"

/** The cluster could not take it, or could not be asked. `message` says why. */
export class SinkUnavailable extends Data.TaggedError("SinkUnavailable")<{ readonly message: string }> {}

export interface PushedManifest {
  readonly digest: Digest
  readonly mediaType: string
  /** The exact bytes that the client sent. */
  readonly bytes: Uint8Array
  readonly tag: string | undefined
}

export interface ImageSink {
  readonly hasBlob: (repository: string, digest: Digest) => Effect.Effect<boolean, SinkUnavailable>
  /** Hands on a blob that is complete in the host's store; it need not stay there. */
  readonly publishBlob: (repository: string, stat: BlobStat) => Effect.Effect<void, SinkUnavailable>
  readonly putManifest: (repository: string, manifest: PushedManifest) => Effect.Effect<void, SinkUnavailable>
}
