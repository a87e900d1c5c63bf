// Answers a client of a registry that asks too often: 429 with Retry-After, before any work for the request. Health
// and readiness have their own count, so that a busy runtime does not make its agent look unhealthy. client-rates.ts
// counts, and the configuration sets the rate.

import { Effect, Option } from "effect"
import { HttpServerRequest } from "effect/http"
import { seconds } from "../../protocol/kit/time.ts"
import type { ClientLimits } from "../config/client-limits.ts"
import { ociError } from "../oci/oci-error.ts"
import { monotonicMicros } from "../services/clock.ts"
import { counterMetric, gaugeMetric, type RoleMetrics } from "../services/metrics.ts"
import { clientOf } from "./client-address.ts"
import { ClientRates } from "./client-rates.ts"
import { ociErrorResponse } from "./error-response.ts"
import type { HttpApp } from "./http-app.ts"
import { HttpLimits } from "./limits.ts"

const clients = gaugeMetric("shoal_clients", {
  of: "agents and proxies",
  description: "Clients with a rate limiter"
})
const requestsRefused = counterMetric("shoal_requests_refused_total", {
  of: "agents and proxies",
  description: "HTTP requests refused because their client sends too many"
})

const isProbe = (url: string): boolean => url === "/health" || url === "/readiness"

/** The client that sent the request, as the key of clientOf. */
export const clientOfRequest = (request: HttpServerRequest.HttpServerRequest): string =>
  clientOf(Option.getOrElse(request.remoteAddress, () => "unknown"))

/** The app behind the limit of requests per second of each client. */
export const limitClients = (
  app: HttpApp,
  allowed: ClientLimits,
  metrics: RoleMetrics
): Effect.Effect<HttpApp> =>
  Effect.map(HttpLimits, ({ maxClientsRemembered }) => {
    const { requestsPerSecond: perSecond, requestBurst: burst } = allowed
    if (perSecond === 0) return app
    const rates = new ClientRates({ perSecond, burst, maxClients: maxClientsRemembered })
    metrics.readGauge(clients, () => rates.size)
    const refused = metrics.counter(requestsRefused)
    return Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const client = clientOfRequest(request)
      const wait = rates.admit(isProbe(request.url) ? `probe ${client}` : client, yield* monotonicMicros)
      if (wait === 0) return yield* app
      refused(1)
      return ociErrorResponse(
        ociError("TOOMANYREQUESTS", {
          message: `a client may send ${perSecond} requests per second, ${burst} at once after a pause: ask more slowly`,
          headers: { "retry-after": String(Math.ceil(wait / seconds(1))) }
        })
      )
    })
  })
