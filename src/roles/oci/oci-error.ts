// Errors of the registry API: the error document of the OCI distribution spec, its codes, and the HTTP status of
// each. A handler fails with an OciError, and registry-routes.ts alone makes a response of it.
//
// Invariant: every error response of a registry or an origin has this form, so a client can show the reason.

import { Option, Schema } from "effect"

/**
 * Status by code (OCI distribution spec 1.1, "Error Codes"; the last five are from Docker's registry and from Shoal).
 */
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
  /** Tells people what is wrong, where, and what to do. */
  readonly message: string
  readonly detail?: unknown
  /** Overrides the status of the code, as the spec does: 413 for a large manifest, 416 for a chunk out of order. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
}

const OciErrorCode = Schema.Literals(Object.keys(statusOf) as ReadonlyArray<OciErrorCode>)

export class OciError extends Schema.TaggedError<OciError>()("OciError", {
  code: OciErrorCode,
  status: Schema.Int,
  message: Schema.String,
  detail: Schema.Unknown,
  headers: Schema.Record(Schema.String, Schema.String)
}) {}

/** Without a stack: a refusal is an answer, no fault of the program, and a stack costs more than all of the rest. */
export const ociError = (code: OciErrorCode, options: OciErrorOptions): OciError => {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return new OciError(
      {
        code,
        status: options.status ?? statusOf[code],
        message: options.message,
        detail: options.detail ?? null,
        headers: options.headers ?? {}
      },
      { disableChecks: true }
    )
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** The error document as the specification has it. */
export const OciErrorDocument = Schema.Struct({
  errors: Schema.NonEmptyArray(
    Schema.Struct({
      code: OciErrorCode,
      message: Schema.String,
      detail: Schema.optionalKey(Schema.Unknown)
    })
  )
}).annotate({ identifier: "OciErrorDocument" })
const decodeDocument = Schema.decodeUnknownOption(Schema.fromJsonString(OciErrorDocument))

/** Parses the error document of another role; undefined if the text is something else. */
export const parseOciError = (status: number, text: string): OciError | undefined => {
  const document = Option.getOrUndefined(decodeDocument(text))
  if (document === undefined) return undefined
  const { code, message, detail } = document.errors[0]
  return ociError(code, { status, message, detail })
}

/** The error document as JSON text. */
export const ociErrorText = (error: Pick<OciError, "code" | "message" | "detail">): string =>
  JSON.stringify({ errors: [{ code: error.code, message: error.message, detail: error.detail }] })
