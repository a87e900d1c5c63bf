// What a client hears of a failure of a store: the code and the status of OCI, and the store's own words.

import { HttpServerError, HttpServerRequest } from "effect/http"
import { expect, it } from "vitest"
import type { Digest } from "../../protocol/wire/digest.ts"
import { ociError } from "../oci/oci-error.ts"
import {
  BlobMissing,
  BlobStoreError,
  DigestMismatch,
  UploadOffsetWrong,
  UploadUnknown
} from "../services/blob-store.ts"
import { TableStoreError } from "../services/table-store.ts"
import { type StoreFailure, storeFailure } from "./store-failure.ts"

const digest = (letter: string) => `sha256:${letter.repeat(64)}` as Digest
const request = HttpServerRequest.fromWeb(new Request("http://registry/x"))

const cases: ReadonlyArray<readonly [StoreFailure, string, number, RegExp, unknown?]> = [
  [
    new DigestMismatch({ expected: digest("a"), actual: digest("b") }),
    "DIGEST_INVALID",
    400,
    /upload it again/,
    { expected: digest("a"), actual: digest("b") }
  ],
  [new UploadUnknown({ upload: "u7" }), "BLOB_UPLOAD_UNKNOWN", 404, /u7/],
  [
    new UploadOffsetWrong({ upload: "u7", expected: 10, got: 20 }),
    "BLOB_UPLOAD_INVALID",
    416,
    /10 bytes.*begins at 20/,
    { expected: 10, got: 20 }
  ],
  [new BlobMissing({ digest: digest("a") }), "BLOB_UNKNOWN", 404, /sha256:a/],
  [new BlobStoreError({ reason: "full", message: "no room" }), "UNAVAILABLE", 507, /no room/],
  [new BlobStoreError({ reason: "io", message: "bad disk" }), "UNAVAILABLE", 503, /bad disk/],
  [new TableStoreError({ message: "locked" }), "UNAVAILABLE", 503, /locked/],
  [
    new HttpServerError.HttpServerError({ reason: new HttpServerError.RequestParseError({ request }) }),
    "BLOB_UPLOAD_INVALID",
    400,
    /ended early/
  ]
]

it("every failure has the code and the status of OCI, and says why", () => {
  for (const [failure, code, status, words, detail = null] of cases) {
    const error = storeFailure(failure)
    expect([error.code, error.status, error.detail]).toEqual([code, status, detail])
    expect(error.message).toMatch(words)
  }
})

it("an OCI error stays as it is", () => {
  const error = ociError("DENIED", { message: "no" })
  expect(storeFailure(error)).toBe(error)
})
