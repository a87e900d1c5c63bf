// The counter of requests by method, route and status, and their durations by route. Routes are names that the program
// sets, never texts of a client, so the number of series stays small.

import { Clock, Effect } from "effect"
import { HttpServerRequest, type HttpServerResponse } from "effect/http"
import { counterMetric, durationMetric, type RoleMetrics } from "../services/metrics.ts"
import type { RouteHandler } from "./http-app.ts"

/** Counts one answered request, and the time until its answer began. */
export type RequestCounter = (method: string, route: string, status: number, seconds: number) => void

const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])

const requests = counterMetric("shoal_http_requests_total", {
  of: "every role",
  description: "Requests answered, by route and status",
  labels: { method: "the method, or `other`", route: "a name of the role's own", status: "the status" }
})

const durations = durationMetric("shoal_http_request_seconds", {
  of: "every role",
  description: "Time from a request until its answer begins, by route; bodies may take longer",
  labels: { route: "a name of the role's own" }
})

export const makeRequestCounter = (metrics: RoleMetrics): RequestCounter => {
  let counters: Map<string, (increment: number) => void> | undefined
  let times: Map<string, (seconds: number) => void> | undefined
  return (method, route, status, seconds) => {
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
    times ??= new Map()
    let took = times.get(route)
    if (took === undefined) {
      took = metrics.durations(durations, { route })
      times.set(route, took)
    }
    took(seconds)
  }
}

/** The handler, counted under `route`. A defect is logged and answered with `onDefect`. */
export const countedHandler = (
  counter: RequestCounter,
  route: string,
  handler: RouteHandler,
  onDefect: () => HttpServerResponse.HttpServerResponse
): RouteHandler =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const clock = yield* Clock.Clock
    const started = clock.currentTimeMillisUnsafe()
    const response = yield* Effect.catchDefect(handler, (defect) =>
      Effect.annotateLogs(Effect.logError("a request failed, a defect:", defect), {
        method: request.method,
        route
      }).pipe(Effect.as(onDefect()))
    )
    counter(request.method, route, response.status, (clock.currentTimeMillisUnsafe() - started) / 1000)
    return response
  })
