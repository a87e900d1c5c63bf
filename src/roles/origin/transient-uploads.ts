// Receives a blob whose sender cannot resume: from the first byte to the commit in one go, with nothing left behind
// otherwise. The remains of a crash are found by their row in a table and dropped at the next start.
//
// Invariant: an upload that receive began is gone or committed when receive ends, or its row says that it is not.

import { Effect, type Stream } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import type {
  BlobStat,
  BlobStore,
  BlobStoreError,
  DigestMismatch,
  UploadOffsetWrong,
  UploadUnknown
} from "../services/blob-store.ts"
import { ServiceLimits } from "../services/limits.ts"
import { forEachPage } from "../services/table-pages.ts"
import type { TableStore, TableStoreError } from "../services/table-store.ts"

const table = "transient-uploads"

type ReceiveError = BlobStoreError | TableStoreError | DigestMismatch | UploadUnknown | UploadOffsetWrong

export interface TransientUploads {
  /** Receives the bytes, checks the digest, and makes them a complete blob. */
  readonly receive: <E>(
    digest: Digest,
    bytes: Stream.Stream<Uint8Array, E>
  ) => Effect.Effect<BlobStat, E | ReceiveError>
}

export const makeTransientUploads = (
  blobs: BlobStore,
  tables: TableStore
): Effect.Effect<TransientUploads, BlobStoreError | TableStoreError> =>
  Effect.gen(function* () {
    const forget = (upload: string) => tables.write([{ tag: "Delete", table, key: upload }])

    const drop = (upload: string) =>
      Effect.andThen(
        Effect.catchTag(blobs.abortUpload(upload), "UploadUnknown", () => Effect.void),
        forget(upload)
      )

    const { tableScanPage } = yield* ServiceLimits
    yield* forEachPage(tables, table, { limit: tableScanPage }, (left) =>
      Effect.forEach(left, ({ key }) => drop(key), { discard: true })
    )

    const begin = Effect.gen(function* () {
      const upload = yield* blobs.createUpload
      yield* tables.write([{ tag: "Put", table, key: upload, value: "" }])
      return upload
    })

    return {
      receive: (digest, bytes) =>
        Effect.acquireUseRelease(
          begin,
          (upload) =>
            Effect.andThen(blobs.appendUpload(upload, 0, bytes), blobs.commitUpload(upload, digest)),
          (upload) =>
            Effect.catch(drop(upload), (error) =>
              Effect.logWarning(
                `upload ${upload} could not be dropped, the next start tries again: ${error.message}`
              )
            )
        )
    }
  })
