// The routes of an HTTP API between roles, made from the API's definition and the handlers of its groups. Each
// request is counted under its group's name, and a handler's failure becomes an answer.
//
// Invariants: every 4xx or 5xx answer is OCI's error document; a defect is logged and answered with 500; an answer
// without a body says so, so that a client need not wait for the end of the connection; a status that the endpoint
// does not declare is an error of ours, in the log here and the end of a test in a memory world.

import { Context, Effect, FileSystem, Layer, Path } from "effect"
import { Etag, HttpPlatform, HttpRouter, HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiError, type HttpApiGroup, HttpApiMiddleware } from "effect/http-api"
import { OciError, ociError } from "../oci/oci-error.ts"
import { misfitRefusal } from "./api-refusals.ts"
import { ociErrorResponse } from "./error-response.ts"
import type { HttpRoute, RouteHandler } from "./http-app.ts"
import { countedHandler, type RequestCounter } from "./http-requests.ts"

/** Wraps every handler of an API. */
export class Answering extends HttpApiMiddleware.Service<Answering>()("shoal/http/Answering") {}

/** Told of an answer whose status its endpoint does not declare. The client gets the answer if this succeeds. */
export const UndeclaredStatus: Context.Reference<(message: string) => Effect.Effect<void>> =
  Context.Reference("shoal/http/UndeclaredStatus", {
    defaultValue: () => (message: string) => Effect.logError(message)
  })

export interface ApiRoutesOptions {
  /** For people: "the build-index". */
  readonly role: string
  readonly counter: RequestCounter
  /** The name under which requests of an endpoint are counted. */
  readonly routeName: (group: string, endpoint: string) => string
}

/** Services for file servers, which an API of a role does not need. */
const noFiles = Layer.mergeAll(HttpPlatform.layer, Etag.layer, Path.layer).pipe(
  Layer.provideMerge(FileSystem.layerNoop({}))
)

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const

const withLength = (response: HttpServerResponse.HttpServerResponse) => {
  const { body, status, headers } = response
  const toldOtherwise = status === 204 || status === 304 || headers["content-length"] !== undefined
  return body._tag !== "Empty" || toldOtherwise
    ? response
    : HttpServerResponse.setHeader(response, "content-length", "0")
}

const refused = (
  error: unknown
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpRouter.RouteContext> => {
  if (error instanceof OciError) return Effect.succeed(ociErrorResponse(error))
  if (!HttpApiError.HttpApiSchemaError.is(error) || error.kind === "Body") return Effect.die(error)
  return Effect.map(HttpRouter.RouteContext, ({ params }) => ociErrorResponse(misfitRefusal(error, params)))
}

const isStream = (schema: object): boolean => "_tag" in schema && String(schema._tag).startsWith("Stream")

/** The statuses of each endpoint: those that it declares, and 500 for a defect. */
const declaredStatuses = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>
): ((group: string, endpoint: string) => ReadonlySet<number>) => {
  const declared = new Map<string, ReadonlySet<number>>()
  HttpApi.reflect(api, {
    onGroup: () => {},
    onEndpoint: ({ group, endpoint, successes, errors }) => {
      const statuses = new Set([...successes.keys(), ...errors.keys(), 500])
      // Streams are not among the successes; they have no status of their own.
      if ([...endpoint.success].some(isStream)) statuses.add(200)
      declared.set(`${group.identifier} ${endpoint.identifier}`, statuses)
    }
  })
  return (group, endpoint) => declared.get(`${group} ${endpoint}`) ?? new Set()
}

/** The routes of every group of the API, and a refusal for methods that a path does not have. */
export const apiRoutes = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
  handlers: Layer.Layer<HttpApiGroup.ToService<Id, Groups>, never, Answering>,
  { role, counter, routeName }: ApiRoutesOptions
): Effect.Effect<ReadonlyArray<HttpRoute>> =>
  Effect.gen(function* () {
    const counted = (route: string, handler: RouteHandler) =>
      countedHandler(counter, route, handler, () =>
        ociErrorResponse(ociError("UNKNOWN", { message: `${role} failed; its log says where` }))
      )
    const undeclared = yield* UndeclaredStatus
    const statusesOf = declaredStatuses(api)
    const answering = Layer.succeed(Answering, (answer, { group, endpoint }) => {
      const declared = statusesOf(group.identifier, endpoint.identifier)
      const handler = counted(
        routeName(group.identifier, endpoint.identifier),
        Effect.map(Effect.catch(answer, refused), withLength)
      )
      return Effect.tap(handler, ({ status }) =>
        declared.has(status)
          ? Effect.void
          : undeclared(
              `${role} answers ${status} to ${endpoint.method} ${endpoint.path}, which its API does not declare`
            )
      )
    })
    const routes: HttpRoute[] = []
    const router = HttpRouter.HttpRouter.of({
      ...(yield* HttpRouter.make),
      addAll: (added) =>
        Effect.sync(() => {
          for (const { method, path, handler } of added) {
            routes.push({ method, path, handler: Effect.orDie(handler) } as HttpRoute)
          }
        })
    })
    const served = HttpApiBuilder.layer(api).pipe(
      Layer.provide(Layer.provide(handlers, answering)),
      Layer.provide(Layer.merge(Layer.succeed(HttpRouter.HttpRouter, router), noFiles))
    )
    // Handlers keep the context in which they are made. Of an app that is made when the first request comes, that would
    // have this request in it, in place of every later one.
    yield* Effect.updateContext(
      Effect.scoped(Layer.build(served)),
      (_: Context.Context<never>): Context.Context<never> => Context.empty()
    )

    const known = new Map<string, { readonly route: string; readonly methods: Set<string> }>()
    HttpApi.reflect(api, {
      onGroup: () => {},
      onEndpoint: ({ group, endpoint: { path, method, identifier } }) => {
        const at = known.get(path) ?? { route: routeName(group.identifier, identifier), methods: new Set() }
        known.set(path, at)
        at.methods.add(method)
      }
    })
    for (const [path, at] of known) {
      const allow = [...at.methods].join(", ")
      const message = `${role} answers ${allow} here, and nothing else`
      const handler = Effect.succeed(
        ociErrorResponse(ociError("UNSUPPORTED", { message, headers: { allow } }))
      )
      for (const method of methods) {
        if (at.methods.has(method)) continue
        routes.push({ method, path: path as HttpRouter.PathInput, handler: counted(at.route, handler) })
      }
    }
    return routes
  })
