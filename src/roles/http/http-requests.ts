// The counter of requests by method, route and status. Routes are names that the program sets, never texts of a
// client, so the number of series stays small.

import { Effect } from "effect"
import { HttpServerRequest, type HttpServerResponse } from "effect/http"
import { counterMetric, type RoleMetrics } from "../services/metrics.ts"
import type { RouteHandler } from "./http-app.ts"

/** Counts one answered request. */
export type RequestCounter = (method: string, route: string, status: number) => void

const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])

const requests = counterMetric("shoal_http_requests_total", {
  of: "every role",
  description: "Requests answered, by route and status",
  labels: { method: "the method, or `other`", route: "a name of the role's own", status: "the status" }
})

export const makeRequestCounter = (metrics: RoleMetrics): RequestCounter => {
  let counters: Map<string, (increment: number) => void> | undefined
  return (method, route, status) => {
    const known = methods.has(method) ? method : "other"
    const key = `${known} ${route} ${status}`
    counters ??= new Map()
    let count = counters.get(key)
    if (count === undefined) {
      const labels = { method: known, route, status: String(status) }
      count = metrics.counter(requests, labels)
      counters.set(key, count)
    }
    count(1)
  }
}

/** The handler, counted under `route`. A defect is logged and answered with `onDefect`. */
export const countedHandler = (
  counter: RequestCounter,
  route: string,
  handler: RouteHandler,
  onDefect: () => HttpServerResponse.HttpServerResponse
): RouteHandler =>
  HttpServerRequest.HttpServerRequest.use((request) =>
    Effect.map(
      Effect.catchDefect(handler, (defect) =>
        Effect.annotateLogs(Effect.logError("a request failed, a defect:", defect), {
          method: request.method,
          route
        }).pipe(Effect.as(onDefect()))
      ),
      (response) => {
        counter(request.method, route, response.status)
        return response
      }
    )
  )
