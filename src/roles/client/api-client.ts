// Client of an HTTP API between roles, made from the API's definition: writes the request that an endpoint describes
// and reads the answer by the endpoint's schemas. A handler's failure becomes the call's failure.
//
// It does for these APIs what Effect's HttpApiClient does for all, without the layers that make a tag lookup a
// fifth slower (docs/decisions.md): a body is JSON, bytes or text, never a form or a stream, and a status has one
// schema.
//
// A client belongs to no host and to no member of a cluster, so all hosts of a process share one. Upstreams.call
// sends its requests, to a given member and within a given time.

import { Effect, Schema } from "effect"
import { HttpClientError, HttpClientRequest, type HttpClientResponse, type UrlParams } from "effect/http"
import {
  HttpApi,
  type HttpApiClient,
  type HttpApiEndpoint,
  type HttpApiGroup,
  HttpApiSchema
} from "effect/http-api"
import { type OciError, parseOciError } from "../oci/oci-error.ts"
import type { Question, TransportError } from "./upstreams.ts"

type Part<Key extends string, S extends Schema.Constraint> = [S["Type"]] extends [never]
  ? unknown
  : { readonly [K in Key]: S["Type"] }

type Asked<E extends HttpApiEndpoint.ConstraintRequest> = Part<"params", E["~Params"]> &
  Part<"query", E["~Query"]> &
  Part<"headers", E["~Headers"]> &
  Part<"payload", E["~Payload"]>

type Ask<E> = E extends HttpApiEndpoint.ConstraintRequest
  ? (asked: Asked<E>) => Question<HttpApiClient.SuccessType<E["~Success"]>, OciError | TransportError>
  : never

export type ApiClient<Groups extends HttpApiGroup.Constraint> = {
  readonly [Group in Groups as HttpApiGroup.Identifier<Group>]: {
    readonly [Name in keyof Group["endpoints"]]: Ask<Group["endpoints"][Name]>
  }
}

interface AnyAsked {
  readonly params?: unknown
  readonly query?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly payload?: unknown
}

type Response = HttpClientResponse.HttpClientResponse

const bodyOf = (response: Response): Effect.Effect<unknown, HttpClientError.HttpClientError> => {
  const type = response.headers["content-type"] ?? ""
  if (type.startsWith("application/octet-stream")) {
    return Effect.map(response.arrayBuffer, (buffer) => new Uint8Array(buffer))
  }
  return type.startsWith("text/") ? response.text : response.json
}

/** A parameter that the endpoint does not accept. */
const unwritten = (request: HttpClientRequest.HttpClientRequest, cause: unknown) =>
  new HttpClientError.HttpClientError({ reason: new HttpClientError.InvalidUrlError({ request, cause }) })

/** Reads an answer whose status is not among the endpoint's successes. */
const refused = (response: Response) =>
  Effect.flatMap(response.text, (text) => {
    const { request, status } = response
    return Effect.fail(
      parseOciError(status, text) ??
        new HttpClientError.HttpClientError({
          reason: new HttpClientError.StatusCodeError({ request, response })
        })
    )
  })

const answerReader = (
  successes: ReadonlyMap<number, readonly [Schema.Top, ...ReadonlyArray<Schema.Top>]>
) => {
  const readers = new Map(
    [...successes].map(([status, [schema]]) => {
      if (HttpApiSchema.isNoContent(schema.ast)) {
        return [status, (response: Response) => Effect.asVoid(response.arrayBuffer)] as const
      }
      const decode = Schema.decodeUnknownEffect(schema as Schema.Codec<unknown>)
      return [status, (response: Response) => Effect.flatMap(bodyOf(response), decode)] as const
    })
  )
  return (response: Response): Effect.Effect<unknown, OciError | TransportError> =>
    (readers.get(response.status) ?? refused)(response)
}

/** Bodies are encoded unchecked, because the receiver checks them. */
const payloadEncoder = (payload: HttpApiEndpoint.PayloadMap) => {
  const [schema] = [...payload.values()].flatMap(({ schemas }) => schemas)
  return schema === undefined
    ? undefined
    : Schema.encodeUnknownEffect(schema as Schema.Codec<unknown>, { disableChecks: true })
}

/** A path's parameters, each as one segment. A colon, as in a digest, stays as it is. */
const pathOf = (path: string, params: Readonly<Record<string, string>>): string =>
  path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name]!).replaceAll("%3A", ":"))

/** A request must fit the endpoint, else it is not sent. */
const requestWriter = ({ method, path, params, query }: HttpApiEndpoint.Top) => {
  const make = HttpClientRequest.make(method)
  const encodeParams =
    params && Schema.encodeUnknownEffect(params as Schema.Codec<unknown, Record<string, string>>)
  const encodeQuery = query && Schema.encodeUnknownEffect(query as Schema.Codec<unknown, UrlParams.Input>)
  return (asked: AnyAsked) => {
    const named =
      encodeParams === undefined
        ? Effect.succeed(make(path))
        : Effect.map(encodeParams(asked.params), (encoded) => make(pathOf(path, encoded)))
    const whole =
      encodeQuery === undefined
        ? named
        : Effect.zipWith(named, encodeQuery(asked.query), HttpClientRequest.setUrlParams)
    return Effect.mapError(whole, (cause) => unwritten(make(path), cause))
  }
}

/** Makes a client: once per module, not per host. */
export const apiClient = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>
): ApiClient<Groups> => {
  const client: Record<
    string,
    Record<string, (asked: AnyAsked) => Question<unknown, OciError | TransportError>>
  > = {}
  HttpApi.reflect(api, {
    onGroup: ({ group }) => {
      client[group.identifier] = {}
    },
    onEndpoint: ({ group, endpoint, successes }) => {
      const write = requestWriter(endpoint)
      const encode = payloadEncoder(endpoint.payload)
      const read = answerReader(successes)
      client[group.identifier]![endpoint.identifier] = (asked) => {
        const { headers } = asked
        const plain =
          headers === undefined
            ? write(asked)
            : Effect.map(write(asked), HttpClientRequest.setHeaders(headers))
        const whole =
          encode === undefined
            ? plain
            : Effect.zipWith(plain, encode(asked.payload), HttpClientRequest.bodyJsonUnsafe)
        return (send) => Effect.flatMap(Effect.flatMap(whole, send), read)
      }
    }
  })
  return client as ApiClient<Groups>
}
