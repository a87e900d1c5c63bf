// The answers of a proxy to its preheat API (preheat-api.ts), and the preheats that begin by themselves: after a push
// that matches a rule of the configuration, to this proxy or in another registry's notification.

import { Effect, Layer, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiBuilder } from "effect/http-api"
import { apiRoutes } from "../http/api-routes.ts"
import type { HttpRoute } from "../http/http-app.ts"
import type { RequestCounter } from "../http/http-requests.ts"
import { jsonBody } from "../http/json-body.ts"
import { matchesImage } from "../oci/image-pattern.ts"
import { OciError, ociError } from "../oci/oci-error.ts"
import type { RegistryWrite } from "../registry/registry-routes.ts"
import type { MirrorNames } from "../upstream/mirror-names.ts"
import type { PreheatRules } from "./config.ts"
import type { ProxyLimits } from "./limits.ts"
import { PreheatApi } from "./preheat-api.ts"
import type { PreheatJob } from "./preheat-job.ts"
import type { BegunPreheat, PreheatJobs } from "./preheat-jobs.ts"
import { type PushedTag, parseNotification } from "./preheat-notification.ts"
import { type PreheatOrder, parseDragonflyJob, parsePreheat } from "./preheat-order.ts"
import {
  describeBriefly,
  describeForDragonfly,
  describeForFirstDragonfly,
  describePreheat
} from "./preheat-status.ts"

export interface PreheatRoutesOptions {
  readonly jobs: PreheatJobs
  readonly rules: PreheatRules
  readonly counter: RequestCounter
  /** The names of upstream registries' repositories in the cluster. */
  readonly names: MirrorNames
  readonly limits: ProxyLimits
}

/** Begins the preheats of pushed images that match a rule. */
const beginPushed = (options: PreheatRoutesOptions, pushed: ReadonlyArray<PushedTag>) =>
  Effect.forEach(
    pushed.filter(({ repository, tag }) =>
      options.rules.onPush.some((pattern) => matchesImage(pattern, repository, tag))
    ),
    ({ repository, reference }) =>
      options.jobs.begin({ repository, reference, platforms: [], scope: undefined }, true)
  )

/** The write API of a registry whose pushed tags are preheated when they match a rule. */
export const preheatingWrite = (write: RegistryWrite, options: PreheatRoutesOptions): RegistryWrite => {
  if (options.rules.onPush.length === 0) return write
  return (method, endpoint) =>
    Effect.tap(write(method, endpoint), () => {
      if (method !== "PUT" || endpoint.tag !== "Manifest") return Effect.void
      const { repository, reference } = endpoint
      if (reference.tag !== "Tag") return Effect.void
      return Effect.catch(beginPushed(options, [{ repository, reference, tag: reference.name }]), (error) =>
        Effect.annotateLogs(Effect.logWarning("a pushed image is not preheated:", error.message), {
          repository,
          tag: reference.name
        })
      )
    })
}

/** Names of version 0.1, by group and endpoint. */
const routeNames: Readonly<Record<string, string>> = {
  "preheat begin": "preheat",
  "preheat list": "preheats",
  "preheat status": "preheat status",
  "preheat cancel": "preheat cancel",
  "notifications notify": "notifications",
  "dragonfly begin": "dragonfly preheat",
  "dragonfly beginFirst": "dragonfly preheat",
  "dragonfly status": "dragonfly status",
  "dragonfly statusFirst": "dragonfly status",
  "dragonfly healthy": "dragonfly health",
  "dragonfly ping": "dragonfly health"
}

/** The proxy's own answers fit its schemas, and the client checks them. */
const api = PreheatApi.annotate(HttpApi.SuccessParseOptions, { disableChecks: true })

export const preheatRoutes = (options: PreheatRoutesOptions): Effect.Effect<ReadonlyArray<HttpRoute>> => {
  const { jobs, limits, counter, names } = options
  /** The parser of the form reads the value further. */
  const orderBody = jsonBody(Schema.Unknown, "a request to preheat", limits.maxPreheatRequestBytes)
  const notificationBody = jsonBody(Schema.Unknown, "a notification", limits.maxNotificationBytes)

  const begun = (parse: (json: unknown) => PreheatOrder | OciError) =>
    Effect.gen(function* () {
      const order = parse(yield* orderBody)
      if (order instanceof OciError) return yield* order
      const { job, resolved }: BegunPreheat = yield* jobs.begin(order, false)
      yield* resolved
      return job
    })

  const forDragonfly = (job: PreheatJob) => describeForDragonfly(job, limits)

  const named = ({ id }: { readonly id: string }) =>
    Effect.flatMap(jobs.get(id), (job) =>
      job !== undefined
        ? Effect.succeed(job)
        : Effect.fail(
            ociError("UNKNOWN", {
              status: 404,
              message: `there is no preheat ${id.slice(0, 100)} here: it ended long ago, or another proxy took it`
            })
          )
    )

  const answers = Layer.mergeAll(
    HttpApiBuilder.group(api, "preheat", (handlers) =>
      handlers
        .handleRaw("begin", () =>
          Effect.map(
            begun((json) => parsePreheat(json, names.prefixOf)),
            (job) =>
              HttpServerResponse.text(JSON.stringify(describePreheat(job)), {
                status: 202,
                headers: { location: `/preheat/${job.id}` },
                contentType: "application/json"
              })
          )
        )
        .handle("list", () => Effect.map(jobs.list, (list) => ({ preheats: list.map(describeBriefly) })))
        .handle("status", ({ params, query }) =>
          Effect.map(named(params), (job) => describePreheat(job, query.agents))
        )
        .handle("cancel", ({ params }) =>
          Effect.map(Effect.tap(named(params), jobs.cancel), (job) => describePreheat(job))
        )
    ),
    HttpApiBuilder.group(api, "notifications", (handlers) =>
      handlers.handleRaw("notify", () =>
        Effect.gen(function* () {
          const notification = parseNotification(yield* notificationBody, limits)
          if (notification instanceof OciError) return yield* notification
          const began = yield* beginPushed(options, notification.pushed)
          const ignored = notification.ignored + notification.pushed.length - began.length
          return { preheats: began.map(({ job }) => job.id), ignored }
        })
      )
    ),
    HttpApiBuilder.group(api, "dragonfly", (handlers) =>
      handlers
        .handleRaw("begin", () => Effect.map(begun(parseDragonflyJob), forDragonfly))
        .handle("status", ({ params }) => Effect.map(named(params), forDragonfly))
        .handleRaw("beginFirst", () => Effect.map(begun(parsePreheat), ({ id }) => ({ ID: id })))
        .handle("statusFirst", ({ params }) => Effect.map(named(params), describeForFirstDragonfly))
        .handle("healthy", () => Effect.succeed("ok\n"))
        .handle("ping", () => Effect.succeed("ok\n"))
    )
  )
  return apiRoutes(PreheatApi, answers, {
    role: "the proxy",
    counter,
    routeName: (group, endpoint) => routeNames[`${group} ${endpoint}`] ?? group
  })
}
