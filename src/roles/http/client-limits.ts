// Decides when a registry answers a client that asks too often: 429 with Retry-After, before anything is done for the
// request. Health and readiness have a count of their own, so that a busy runtime does not make its agent look ill.
// How much is too often is client-rates.ts's and the configuration's.

import { Effect, Option } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpLimits } from "./limits.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { clientOf } from "./client-address.ts"
import { ClientRates } from "./client-rates.ts"
import type { ClientLimits } from "../config/client-limits.ts"
import type { HttpApp } from "./http-app.ts"
import type { RoleMetrics } from "../services/metrics.ts"
import { ociError } from "../oci/oci-error.ts"
import { monotonicMicros } from "../services/clock.ts"
import { ociErrorResponse } from "./error-response.ts"

const isProbe = (url: string): boolean => url === "/health" || url === "/readiness"

/** Who sent the request, as clientOf says it. */
export const clientOfRequest = (request: HttpServerRequest.HttpServerRequest): string =>
  clientOf(Option.getOrElse(request.remoteAddress, () => "unknown"))

/** The app, behind the limit of requests a second of each client. */
export const limitClients = (
  app: HttpApp,
  allowed: ClientLimits,
  metrics: RoleMetrics
): Effect.Effect<HttpApp> =>
  Effect.map(HttpLimits, ({ maxClientsRemembered }) => {
    const { requestsPerSecond: perSecond, requestBurst: burst } = allowed
    if (perSecond === 0) return app
    const rates = new ClientRates({ perSecond, burst, maxClients: maxClientsRemembered })
    metrics.readGauge("shoal_clients", "Clients whose rate of requests is remembered", () => rates.size)
    const refused = metrics.counter(
      "shoal_requests_refused_total",
      "Requests of clients that asked too often"
    )
    return Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const client = clientOfRequest(request)
      const wait = rates.admit(isProbe(request.url) ? `probe ${client}` : client, yield* monotonicMicros)
      if (wait === 0) return yield* app
      refused(1)
      return ociErrorResponse(
        ociError("TOOMANYREQUESTS", {
          message: `a client may send ${perSecond} requests a second, ${burst} at once after a rest: ask more slowly`,
          headers: { "retry-after": String(Math.ceil(wait / seconds(1))) }
        })
      )
    })
  })
