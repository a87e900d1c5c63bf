// OCI errors for failures of a blob store or a table store. Each includes the store's own message, which says what to
// do.

import type { HttpServerError } from "effect/http"
import { OciError, ociError } from "../oci/oci-error.ts"
import type {
  BlobMissing,
  BlobStoreError,
  DigestMismatch,
  UploadOffsetWrong,
  UploadUnknown
} from "../services/blob-store.ts"
import type { TableStoreError } from "../services/table-store.ts"

export type StoreFailure =
  | BlobStoreError
  | BlobMissing
  | DigestMismatch
  | UploadUnknown
  | UploadOffsetWrong
  | TableStoreError
  | HttpServerError.HttpServerError

/** The OCI error for a store's failure; an OciError is returned unchanged. */
export const storeFailure = (error: StoreFailure | OciError): OciError => {
  if (error instanceof OciError) return error
  switch (error._tag) {
    case "DigestMismatch":
      return ociError("DIGEST_INVALID", {
        message: `the content is ${error.actual}, not ${error.expected}: it was discarded, upload it again`,
        detail: { expected: error.expected, actual: error.actual }
      })
    case "UploadUnknown":
      return ociError("BLOB_UPLOAD_UNKNOWN", {
        message: `there is no upload ${error.upload}: begin a new one`
      })
    case "UploadOffsetWrong":
      return ociError("BLOB_UPLOAD_INVALID", {
        status: 416,
        message: `the upload holds ${error.expected} bytes, the chunk begins at ${error.got}`,
        detail: { expected: error.expected, got: error.got }
      })
    case "BlobMissing":
      return ociError("BLOB_UNKNOWN", { message: `${error.digest} is not here` })
    case "BlobStoreError":
      return ociError("UNAVAILABLE", {
        status: error.reason === "full" ? 507 : 503,
        message: `the store failed: ${error.message}`
      })
    case "TableStoreError":
      return ociError("UNAVAILABLE", { message: `the tables failed: ${error.message}` })
    case "HttpServerError":
      return ociError("BLOB_UPLOAD_INVALID", { message: "the request's body ended early" })
  }
}
