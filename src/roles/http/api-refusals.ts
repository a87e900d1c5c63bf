// The refusals of an HTTP API between roles. An endpoint declares the statuses with which it may refuse, a handler
// fails with an OciError, the client's call fails with the same OciError, and OCI's error document is on the wire.
//
// Invariant: the answer to a wrong request says what is wrong, in the words that a registry's client also gets. The
// file does not know endpoints; clients interpret the statuses.

import { Schema, SchemaIssue, SchemaTransformation } from "effect"
import { type HttpApiError, HttpApiSchema } from "effect/http-api"
import { OciError, OciErrorDocument, ociError } from "../oci/oci-error.ts"
import { digestInvalid, maxRepositoryLength, nameInvalid, tagInvalid } from "../oci/repository-path.ts"

type RefusalStatus = 400 | 403 | 404 | 409 | 412 | 416 | 422 | 429 | 503 | 507

/** A refusal with this status, in an endpoint's list of errors. */
const refusal = (status: RefusalStatus) =>
  OciErrorDocument.pipe(
    Schema.decodeTo(
      Schema.toType(OciError).check(
        Schema.makeFilter((error) => error.status === status || `not of status ${status}`)
      ),
      SchemaTransformation.transform({
        decode: ({ errors: [{ code, message, detail }] }) => ociError(code, { status, message, detail }),
        encode: ({ code, message, detail }) => ({ errors: [{ code, message, detail }] as const })
      })
    ),
    HttpApiSchema.status(status)
  )

const refusals = {
  400: refusal(400),
  403: refusal(403),
  404: refusal(404),
  409: refusal(409),
  412: refusal(412),
  416: refusal(416),
  422: refusal(422),
  429: refusal(429),
  503: refusal(503),
  507: refusal(507)
}

/** What the documents say of every path of an API, whose endpoints do not each declare it. */
export const everyPath =
  "Every path answers 405, with Allow, to a method that it does not have, and 500 when the role fails."

/** The errors of an endpoint that refuses with these statuses. */
export const refusesWith = <const Statuses extends ReadonlyArray<RefusalStatus>>(
  ...statuses: Statuses
): ReadonlyArray<(typeof refusals)[Statuses[number]]> => statuses.map((status) => refusals[status])

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** The refusals of invalid path parameters, as a registry's client gets them. */
const parameters: Readonly<Record<string, (text: string) => OciError>> = {
  repository: nameInvalid,
  namespace: (text) =>
    ociError("NAME_INVALID", {
      message: `a namespace has 1 to ${maxRepositoryLength} characters`,
      detail: { namespace: text.slice(0, 300) }
    }),
  digest: digestInvalid,
  tag: tagInvalid
}

/** The refusal of a request that does not fit its endpoint's schemas. `params` are the raw parameters of the path. */
export const misfitRefusal = (
  { kind, cause }: HttpApiError.HttpApiSchemaError,
  params: Readonly<Record<string, string | undefined>>
): OciError => {
  const [issue] = issuesOf(cause.issue).issues
  const name = issue?.path?.map((segment) => String(typeof segment === "object" ? segment.key : segment))[0]
  const invalid = kind === "Params" && name !== undefined ? parameters[name] : undefined
  if (name !== undefined && invalid !== undefined) return invalid(params[name] ?? "")
  return ociError("REQUEST_INVALID", {
    message: `the request's ${kind.toLowerCase()} do not fit: ${name ?? "it"}: ${issue?.message ?? cause.message}`
  })
}
