// Reads the body of a request that is a small document: JSON within a bound, decoded by its schema. Every misfit is
// answered with a 400 that names it.

import { Effect, Schema } from "effect"
import { HttpServerRequest } from "effect/http"
import { OciError, ociError } from "../oci/oci-error.ts"
import { boundedBytes } from "./bounded-bytes.ts"

const decoder = new TextDecoder()

/** The body of the request. `what` is for people: "an announce". Call it once, because it prepares the schema. */
export const jsonBody = <A>(
  schema: Schema.Codec<A, unknown>,
  what: string,
  mostBytes: number
): Effect.Effect<A, OciError, HttpServerRequest.HttpServerRequest> => {
  const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(schema))
  const unread = (why: string) => ociError("SIZE_INVALID", { message: `${what} could not be read: ${why}` })
  return Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const bytes = yield* boundedBytes(request.stream, mostBytes, () =>
      unread(`it has more than ${mostBytes} bytes`)
    ).pipe(Effect.mapError((error) => (error instanceof OciError ? error : unread(error.message))))
    return yield* Effect.mapError(decode(decoder.decode(bytes)), ({ message }) =>
      ociError("REQUEST_INVALID", { message: `not ${what}: ${message.slice(0, 500)}` })
    )
  })
}
