// The request handler of a role whose paths name endpoints. It parses the URL, refuses malformed ones, passes GET and
// HEAD to the reader and every other method to the writer, counts the request by the kind of its endpoint, and turns
// every failure into OCI's form. The role defines the endpoints and what reading and writing them means.

import { Effect } from "effect"
import { HttpServerRequest, type HttpServerResponse } from "effect/http"
import { OciError, ociError } from "../oci/oci-error.ts"
import { ociErrorResponse } from "./error-response.ts"
import type { RouteHandler } from "./http-app.ts"
import { countedHandler, type RequestCounter } from "./http-requests.ts"

type Answer<E> = Effect.Effect<HttpServerResponse.HttpServerResponse, E, Effect.Services<RouteHandler>>

export const endpointHandler = <Endpoint extends { readonly tag: string }, E>(options: {
  /** For people: "the origin". */
  readonly role: string
  readonly counter: RequestCounter
  /** The name under which an endpoint of this kind, or "malformed", is counted. */
  readonly routeName: (kind: string) => string
  readonly parse: (url: string) => Endpoint | OciError
  readonly read: (endpoint: Endpoint) => Answer<E | OciError>
  readonly write: (endpoint: Endpoint, method: string) => Answer<E | OciError>
  /** The answer to a failure that is not an OciError yet. */
  readonly failed: (error: E) => OciError
}): RouteHandler =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const endpoint = options.parse(request.url)
    const kind = endpoint instanceof OciError ? "malformed" : endpoint.tag.toLowerCase()
    const answer = (): Answer<E | OciError> => {
      if (endpoint instanceof OciError) return Effect.fail(endpoint)
      return request.method === "GET" || request.method === "HEAD"
        ? options.read(endpoint)
        : options.write(endpoint, request.method)
    }
    return yield* countedHandler(
      options.counter,
      options.routeName(kind),
      Effect.catch(answer(), (error) =>
        Effect.succeed(ociErrorResponse(error instanceof OciError ? error : options.failed(error)))
      ),
      () => ociErrorResponse(ociError("UNKNOWN", { message: `${options.role} failed; its log says where` }))
    )
  })
