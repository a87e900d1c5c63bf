// Tests of OCI errors: their documents, and the documents of other roles.

import { describe, expect, it } from "vitest"
import { ociError, ociErrorText, parseOciError } from "./oci-error.ts"

describe("an OCI error", () => {
  it("has the status of its code, no detail and no headers, unless they are given", () => {
    expect(ociError("DENIED", { message: "no" })).toMatchObject({
      _tag: "OciError",
      code: "DENIED",
      status: 403,
      message: "no",
      detail: null,
      headers: {}
    })
    expect(
      ociError("SIZE_INVALID", { message: "no", status: 413, detail: [1], headers: { a: "b" } })
    ).toMatchObject({ status: 413, detail: [1], headers: { a: "b" } })
  })

  it.each([
    ["BLOB_UNKNOWN", 404],
    ["BLOB_UPLOAD_INVALID", 400],
    ["BLOB_UPLOAD_UNKNOWN", 404],
    ["DIGEST_INVALID", 400],
    ["MANIFEST_BLOB_UNKNOWN", 400],
    ["MANIFEST_INVALID", 400],
    ["MANIFEST_UNKNOWN", 404],
    ["NAME_INVALID", 400],
    ["NAME_UNKNOWN", 404],
    ["SIZE_INVALID", 400],
    ["UNAUTHORIZED", 401],
    ["UNSUPPORTED", 405],
    ["TOOMANYREQUESTS", 429],
    ["PAGINATION_NUMBER_INVALID", 400],
    ["TAG_INVALID", 400],
    ["REQUEST_INVALID", 400],
    ["UNAVAILABLE", 503],
    ["UNKNOWN", 500]
  ] as const)("%s is %d", (code, status) => {
    expect(ociError(code, { message: "" }).status).toBe(status)
  })

  it("is written and parsed as the document of the specification", () => {
    const error = ociError("DENIED", { message: "no", detail: { rule: "a" } })
    const text = ociErrorText(error)
    expect(JSON.parse(text)).toEqual({ errors: [{ code: "DENIED", message: "no", detail: { rule: "a" } }] })
    expect(parseOciError(418, text)).toMatchObject({
      code: "DENIED",
      status: 418,
      message: "no",
      detail: { rule: "a" }
    })
    const bare = JSON.stringify({
      errors: [
        { code: "UNKNOWN", message: "x" },
        { code: "DENIED", message: "y" }
      ]
    })
    expect(parseOciError(500, bare)).toMatchObject({ code: "UNKNOWN", message: "x", detail: null })
  })

  it.each(["", "oops", "{}", '{"errors":[]}', '{"errors":[{"code":"NEW","message":"x"}]}', "[]"])(
    "is not parsed from %j",
    (text) => {
      expect(parseOciError(500, text)).toBeUndefined()
    }
  )
})

it("a refusal records no stack, and leaves those of other errors as they are", () => {
  const { stackTraceLimit } = Error
  expect(ociError("BLOB_UNKNOWN", { message: "not here" }).stack).not.toMatch(/\n\s+at /)
  expect(Error.stackTraceLimit).toBe(stackTraceLimit)
  expect(new Error("why").stack).toMatch(/\n\s+at /)
})
