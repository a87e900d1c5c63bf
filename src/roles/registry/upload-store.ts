// Where the uploads of a registry grow and become blobs: the blob store of a proxy's own host, whose blobs are then
// forwarded to the origins, or an origin in the same process, where a committed upload has metainfo and copies and
// counts as durable in the cluster.

import type { Effect } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import type {
  BlobMissing,
  BlobStat,
  BlobStore,
  BlobStoreError,
  DigestMismatch,
  UploadUnknown
} from "../services/blob-store.ts"
import type { TableStoreError } from "../services/table-store.ts"

export interface UploadStore
  extends Pick<BlobStore, "createUpload" | "uploadSize" | "appendUpload" | "abortUpload"> {
  /** Checks the digest and makes a complete, durable blob of the upload. A mismatch discards the upload. */
  readonly commitUpload: (
    upload: string,
    digest: Digest
  ) => Effect.Effect<
    BlobStat,
    UploadUnknown | DigestMismatch | BlobMissing | BlobStoreError | TableStoreError
  >
}
