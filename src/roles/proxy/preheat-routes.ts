// Decides the paths on which a proxy is asked to preheat, and what begins one by itself: a push that a rule of the
// configuration means, to this proxy or told by another registry's notification.
//
//   POST   /preheat                  plain or Harbor's form (preheat-order.ts) -> 202, Location, status
//   GET    /preheat                  the jobs, newest first
//   GET    /preheat/{id}?agents=     a job's status; agents of one state only
//   DELETE /preheat/{id}             cancels it
//   POST   /registry/notifications   events of a registry (preheat-notification.ts; Harbor's provider for Kraken) -> 202
//   POST   /oapi/v1/jobs             Dragonfly's form, as Harbor's provider for it sends it; GET /oapi/v1/jobs/{id}
//   POST   /preheats                 the same of the first Dragonfly; GET /preheats/{id}
//   GET    /healthy, /_ping          how those providers ask whether somebody is there
//
// Invariant: a request is answered when its image and agents are known, not when they are done; a notification at once.

import { Effect, Schema } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { ociErrorResponse } from "../http/error-response.ts"
import type { HttpRoute, RouteHandler } from "../http/http-app.ts"
import { countedHandler, type RequestCounter } from "../http/http-requests.ts"
import { jsonBody } from "../http/json-body.ts"
import { matchesImage } from "../oci/image-pattern.ts"
import { OciError, ociError } from "../oci/oci-error.ts"
import type { RegistryWrite } from "../registry/registry-routes.ts"
import type { MirrorNames } from "../upstream/mirror-names.ts"
import type { PreheatRules } from "./config.ts"
import type { ProxyLimits } from "./limits.ts"
import type { PreheatJob } from "./preheat-job.ts"
import type { BegunPreheat, PreheatJobs } from "./preheat-jobs.ts"
import { type PushedTag, parseNotification } from "./preheat-notification.ts"
import { type PreheatOrder, parseDragonflyJob, parsePreheat } from "./preheat-order.ts"
import {
  describeBriefly,
  describeForDragonfly,
  describeForFirstDragonfly,
  describePreheat,
  isAgentState
} from "./preheat-status.ts"

type Answer = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  OciError,
  HttpServerRequest.HttpServerRequest | HttpServerRequest.ParsedSearchParams
>

export interface PreheatRoutesOptions {
  readonly jobs: PreheatJobs
  readonly rules: PreheatRules
  readonly counter: RequestCounter
  /** How repositories of upstream registries are called here. */
  readonly names: MirrorNames
  readonly limits: ProxyLimits
}

const json = (body: object, status = 200, headers: Readonly<Record<string, string>> = {}) =>
  HttpServerResponse.text(JSON.stringify(body), { status, headers, contentType: "application/json" })

/** The last segment of a request's path. */
const idOf = (url: string): string => url.split("?")[0]!.split("/").at(-1)!

/** Begins the preheats that the rules want for what was pushed. */
const beginPushed = (options: PreheatRoutesOptions, pushed: ReadonlyArray<PushedTag>) =>
  Effect.forEach(
    pushed.filter(({ repository, tag }) =>
      options.rules.onPush.some((pattern) => matchesImage(pattern, repository, tag))
    ),
    ({ repository, reference }) =>
      options.jobs.begin({ repository, reference, platforms: [], scope: undefined }, true)
  )

/** The write API of a registry whose pushed tags are preheated when a rule says so. */
export const preheatingWrite = (write: RegistryWrite, options: PreheatRoutesOptions): RegistryWrite => {
  if (options.rules.onPush.length === 0) return write
  return (method, endpoint) =>
    Effect.tap(write(method, endpoint), () => {
      if (method !== "PUT" || endpoint.tag !== "Manifest") return Effect.void
      const { repository, reference } = endpoint
      if (reference.tag !== "Tag") return Effect.void
      return Effect.catch(beginPushed(options, [{ repository, reference, tag: reference.name }]), (error) =>
        Effect.logWarning(`${repository}:${reference.name} was pushed but is not preheated: ${error.message}`)
      )
    })
}

export const preheatRoutes = (options: PreheatRoutesOptions): ReadonlyArray<HttpRoute> => {
  const { jobs, limits } = options
  /** Read on by the parser of its form. */
  const orderBody = jsonBody(Schema.Unknown, "a request to preheat", limits.maxPreheatRequestBytes)
  const notificationBody = jsonBody(Schema.Unknown, "a notification", limits.maxNotificationBytes)

  const begun = (order: PreheatOrder | OciError): Effect.Effect<PreheatJob, OciError> =>
    Effect.gen(function* () {
      if (order instanceof OciError) return yield* order
      const { job, resolved }: BegunPreheat = yield* jobs.begin(order, false)
      yield* resolved
      return job
    })

  const named = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const id = idOf(request.url)
    const job = yield* jobs.get(id)
    if (job !== undefined) return job
    return yield* ociError("UNKNOWN", {
      status: 404,
      message: `there is no preheat ${id.slice(0, 100)} here: it ended long ago, or another proxy took it`
    })
  })

  const begin: Answer = Effect.gen(function* () {
    const job = yield* begun(parsePreheat(yield* orderBody, options.names.prefixOf))
    return json(describePreheat(job), 202, { location: `/preheat/${job.id}` })
  })

  const status: Answer = Effect.gen(function* () {
    const { agents } = yield* HttpServerRequest.ParsedSearchParams
    if (agents === undefined) return json(describePreheat(yield* named))
    if (typeof agents !== "string" || !isAgentState(agents)) {
      return yield* ociError("UNSUPPORTED", {
        status: 400,
        message: "agents is one of pending, running, done, failed, cancelled"
      })
    }
    return json(describePreheat(yield* named, agents))
  })

  const cancel: Answer = Effect.gen(function* () {
    const job = yield* named
    yield* jobs.cancel(job)
    return json(describePreheat(job))
  })

  const notified: Answer = Effect.gen(function* () {
    const notification = parseNotification(yield* notificationBody)
    if (notification instanceof OciError) return yield* notification
    const began = yield* beginPushed(options, notification.pushed)
    const ignored = notification.ignored + notification.pushed.length - began.length
    return json({ preheats: began.map(({ job }) => job.id), ignored }, 202)
  })

  const beginDragonfly: Answer = Effect.gen(function* () {
    const job = yield* begun(parseDragonflyJob(yield* orderBody))
    return json(describeForDragonfly(job))
  })

  const beginFirstDragonfly: Answer = Effect.gen(function* () {
    const job = yield* begun(parsePreheat(yield* orderBody))
    return json({ ID: job.id })
  })

  const route = (
    method: HttpRoute["method"],
    path: HttpRoute["path"],
    name: string,
    answer: Answer
  ): HttpRoute => {
    const handler: RouteHandler = countedHandler(
      options.counter,
      name,
      Effect.catch(answer, (error) => Effect.succeed(ociErrorResponse(error))),
      () => ociErrorResponse(ociError("UNKNOWN", { message: "the proxy failed; its log says where" }))
    )
    return { method, path, handler }
  }

  const there: Answer = Effect.succeed(HttpServerResponse.text("ok\n"))
  return [
    route("POST", "/preheat", "preheat", begin),
    route(
      "GET",
      "/preheat",
      "preheats",
      Effect.map(jobs.list, (list) => json({ preheats: list.map(describeBriefly) }))
    ),
    route("GET", "/preheat/:id", "preheat status", status),
    route("DELETE", "/preheat/:id", "preheat cancel", cancel),
    route("POST", "/registry/notifications", "notifications", notified),
    route("POST", "/oapi/v1/jobs", "dragonfly preheat", beginDragonfly),
    route(
      "GET",
      "/oapi/v1/jobs/:id",
      "dragonfly status",
      Effect.map(named, (job) => json(describeForDragonfly(job)))
    ),
    route("POST", "/preheats", "dragonfly preheat", beginFirstDragonfly),
    route(
      "GET",
      "/preheats/:id",
      "dragonfly status",
      Effect.map(named, (job) => json(describeForFirstDragonfly(job)))
    ),
    route("GET", "/healthy", "dragonfly health", there),
    route("GET", "/_ping", "dragonfly health", there)
  ]
}
