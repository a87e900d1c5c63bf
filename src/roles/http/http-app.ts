// The HTTP app of a role: one Effect that answers a request, made from routes, with the three routes that every role
// has: /health (the process answers), /readiness (its dependencies answer) and /metrics. The world knows who listens,
// and where.

import type { Scope } from "effect"
import { type Context, Effect } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { ociError } from "../oci/oci-error.ts"
import type { RoleMetrics } from "../services/metrics.ts"
import { ProcessUse, processReadings } from "../services/process-use.ts"
import { ociErrorResponse } from "./error-response.ts"

/** Answers every request. An error that reaches it is a defect and becomes 500. */
export type HttpApp = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  never,
  HttpServerRequest.HttpServerRequest | Scope.Scope
>

export interface RoleHealth {
  readonly metrics: RoleMetrics
  /** Reasons why the role cannot serve, one line each; empty when it is ready. */
  readonly notReady: Effect.Effect<ReadonlyArray<string>>
}

/** The services that a route's handler may need. Everything else is captured when the role is made. */
export type RouteHandler = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  never,
  | HttpServerRequest.HttpServerRequest
  | HttpServerRequest.ParsedSearchParams
  | HttpRouter.RouteContext
  | Scope.Scope
>

export interface HttpRoute {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
  readonly path: HttpRouter.PathInput
  readonly handler: RouteHandler
}

const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])

const noSuchRoute = (request: HttpServerRequest.HttpServerRequest): HttpServerResponse.HttpServerResponse => {
  const known = methods.has(request.method)
  const what = `${request.method.slice(0, 20)} ${request.url.slice(0, 300)}`
  return ociErrorResponse(
    ociError("UNSUPPORTED", {
      status: known ? 404 : 405,
      message: `there is no ${what} here`,
      headers: known ? {} : { allow: [...methods].join(", ") }
    })
  )
}

/** The schema of a parameter bounds its length, and the listener bounds the URL. */
const routing = { maxParamLength: Number.MAX_SAFE_INTEGER }

/** Builds the app of a role from its own routes and the three common ones. The GET route also answers HEAD. */
export const makeHttpApp = (routes: ReadonlyArray<HttpRoute>, health: RoleHealth): Effect.Effect<HttpApp> =>
  Effect.gen(function* () {
    const use = yield* ProcessUse
    const router = yield* Effect.provideService(HttpRouter.make, HttpRouter.RouterConfig, routing)
    const add = (method: HttpRoute["method"], path: HttpRouter.PathInput, handler: RouteHandler) =>
      router.add(method, path, handler) as Effect.Effect<void>
    for (const route of routes) yield* add(route.method, route.path, route.handler)
    yield* add("GET", "/health", Effect.succeed(HttpServerResponse.text("ok\n")))
    yield* add(
      "GET",
      "/readiness",
      Effect.map(health.notReady, (reasons) =>
        reasons.length === 0
          ? HttpServerResponse.text("ready\n")
          : HttpServerResponse.text(reasons.map((reason) => `${health.metrics.role}: ${reason}\n`).join(""), {
              status: 503
            })
      )
    )
    yield* add(
      "GET",
      "/metrics",
      Effect.sync(() =>
        HttpServerResponse.text(health.metrics.text(processReadings(use)), {
          contentType: "text/plain; version=0.0.4; charset=utf-8"
        })
      )
    )
    return router
      .asHttpEffect()
      .pipe(Effect.catch(() => Effect.map(HttpServerRequest.HttpServerRequest, noSuchRoute))) as HttpApp
  })

/**
 * The app that `make` returns, made in the context of the program when the first request arrives: most agents of a
 * simulation never get one.
 */
export const madeWhenAsked = (make: Effect.Effect<HttpApp>): Effect.Effect<HttpApp> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.map(Effect.cached(Effect.provideContext(make, context)), Effect.flatten)
  )
