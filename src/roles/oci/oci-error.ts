// Decides how a registry says no: the OCI distribution spec's error document, its codes, and the HTTP status of each.
// A handler fails with an OciError; one place (registry-routes.ts) turns it into a response.
//
// Invariant: every error response of a registry or an origin has this form, so that a client can show the reason.

import { Data, Option, Schema } from "effect"

/** Status by code (OCI distribution spec 1.1, "Error Codes"; the last five are docker's registry's and our own). */
const statusOf = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  PAGINATION_NUMBER_INVALID: 400,
  TAG_INVALID: 400,
  REQUEST_INVALID: 400,
  UNAVAILABLE: 503,
  UNKNOWN: 500
} as const

export type OciErrorCode = keyof typeof statusOf

export interface OciErrorOptions {
  /** For people: what is wrong, where, what to do. */
  readonly message: string
  readonly detail?: unknown
  /** Where the spec gives a code more than one status: 413 for a manifest, 416 for a chunk out of order. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
}

export class OciError extends Data.TaggedError("OciError")<{
  readonly code: OciErrorCode
  readonly status: number
  readonly message: string
  readonly detail: unknown
  readonly headers: Readonly<Record<string, string>>
}> {}

export const ociError = (code: OciErrorCode, options: OciErrorOptions): OciError =>
  new OciError({
    code,
    status: options.status ?? statusOf[code],
    message: options.message,
    detail: options.detail ?? null,
    headers: options.headers ?? {}
  })

const ErrorDocument = Schema.fromJsonString(
  Schema.Struct({
    errors: Schema.NonEmptyArray(
      Schema.Struct({
        code: Schema.Literals(Object.keys(statusOf) as ReadonlyArray<OciErrorCode>),
        message: Schema.String,
        detail: Schema.optionalKey(Schema.Unknown)
      })
    )
  })
)
const decodeDocument = Schema.decodeUnknownOption(ErrorDocument)

/** The error that another role told in this form; undefined when it is no such document. */
export const parseOciError = (status: number, text: string): OciError | undefined => {
  const document = Option.getOrUndefined(decodeDocument(text))
  if (document === undefined) return undefined
  const { code, message, detail } = document.errors[0]
  return ociError(code, { status, message, detail })
}

/** The error document. */
export const ociErrorText = (error: Pick<OciError, "code" | "message" | "detail">): string =>
  JSON.stringify({ errors: [{ code: error.code, message: error.message, detail: error.detail }] })
