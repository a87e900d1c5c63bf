// Decides how a request's body that is a small document is read: as JSON within a bound, by what its schema says. Every
// misfit is an answer of 400 that names it.

import { ByteSize, Effect, Schema } from "effect"
import { HttpIncomingMessage, HttpServerRequest } from "effect/http"
import { type OciError, ociError } from "../registry/oci-error.ts"

/** The body of the request. `what` is for people: "an announce". Make it once: the schema is prepared here. */
export const jsonBody = <A>(
  schema: Schema.Codec<A, unknown>,
  what: string,
  mostBytes: number
): Effect.Effect<A, OciError, HttpServerRequest.HttpServerRequest> => {
  const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(schema))
  return Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const text = yield* request.text.pipe(
      Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(mostBytes)),
      Effect.mapError(({ message }) =>
        ociError("SIZE_INVALID", { message: `${what} could not be read: ${message}` })
      )
    )
    return yield* Effect.mapError(decode(text), ({ message }) =>
      ociError("UNSUPPORTED", { status: 400, message: `not ${what}: ${message.slice(0, 500)}` })
    )
  })
}
