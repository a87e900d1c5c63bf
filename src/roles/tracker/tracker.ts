// Decides what a tracker is: it knows who is in which swarm, introduces peers to each other and to the origins that
// seed, and passes metainfo on from the origins. It keeps nothing on disk: after a restart the peers' next announces
// make it whole again.
//
//   POST /announce                               tracker-wire.ts
//   POST, GET /agents                            client/registration-wire.ts
//   GET  /namespace/{ns}/blobs/{digest}/metainfo blob-path.ts
//
// Invariant: a peer is told only of peers that announced themselves or that an origin named as itself.

import { Cache, Effect, Exit, Random } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { limits as protocolLimits } from "../../protocol/limits.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { parseBlobPath } from "../client/blob-path.ts"
import { AskLimits } from "../client/limits.ts"
import { makeOriginClient } from "../client/origin-client.ts"
import { AgentRegistration } from "../client/registration-wire.ts"
import { AnnounceBatch, type SwarmAnnounce, type SwarmHandOut } from "../client/tracker-wire.ts"
import type { HostProgram } from "../host-program.ts"
import { ociErrorResponse } from "../http/error-response.ts"
import { makeHttpApp, type RouteHandler } from "../http/http-app.ts"
import { countedHandler, makeRequestCounter } from "../http/http-requests.ts"
import { jsonBody } from "../http/json-body.ts"
import { OciError, ociError } from "../oci/oci-error.ts"
import { toDuration } from "../services/clock.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { randomSource } from "../services/random-source.ts"
import { SwarmRules } from "../services/swarm-rules.ts"
import { Timers } from "../services/timers.ts"
import type { TrackerConfig } from "./config.ts"
import { TrackerLimits } from "./limits.ts"
import { makeRegisteredAgents } from "./registered-agents.ts"
import { makeTrackerSwarms } from "./tracker-swarms.ts"

export const tracker = (config: TrackerConfig): HostProgram =>
  Effect.gen(function* () {
    const timers = yield* Timers
    const random = yield* Random.Random
    const limits = yield* TrackerLimits
    const asking = yield* AskLimits
    const registrationBody = jsonBody(AgentRegistration, "a registration", limits.maxRegistrationBytes)
    const announceBody = jsonBody(AnnounceBatch, "an announce", limits.maxAnnounceBytes)
    const origins = yield* makeOriginClient(config.origins)
    const swarms = makeTrackerSwarms(randomSource(random), limits, yield* SwarmRules)
    const metrics = makeRoleMetrics("tracker")
    const counter = makeRequestCounter(metrics)
    metrics.readGauge("shoal_tracker_swarms", "Swarms that have peers", swarms.swarms)
    metrics.readGauge("shoal_tracker_peers", "Peers over all swarms", swarms.peers)

    yield* Effect.forkScoped(
      Effect.forever(
        Effect.andThen(
          Effect.sleep(toDuration(protocolLimits.seedAnnounceInterval)),
          Effect.sync(() => swarms.sweep(timers.now()))
        )
      )
    )

    const interval = (announced: SwarmAnnounce): number =>
      (announced.event === "complete"
        ? protocolLimits.seedAnnounceInterval
        : protocolLimits.announceInterval) / 1_000

    const handOut = (peer: AnnounceBatch["peer"], announced: SwarmAnnounce): Effect.Effect<SwarmHandOut> =>
      Effect.gen(function* () {
        // Only a peer that misses pieces needs seeds.
        const seeds = announced.event === "downloading" ? yield* origins.seeds(announced.digest) : []
        const agent = { ...peer, kind: "agent" } as const
        const peers = swarms.announce(agent, announced, seeds, timers.now())
        return { swarm: announced.swarm, intervalMs: interval(announced), peers }
      })

    const announce = Effect.gen(function* () {
      const batch = yield* announceBody
      const answered = yield* Effect.forEach(batch.swarms, (announced) => handOut(batch.peer, announced), {
        concurrency: asking.maxParallelAsks
      })
      return HttpServerResponse.text(JSON.stringify({ swarms: answered }), {
        contentType: "application/json"
      })
    })

    // Agents of a first wave ask at once for the same: one question goes to the origins.
    const metainfos = yield* Cache.makeWith(
      (key: string) => {
        const space = key.indexOf(" ")
        return origins.metainfo(key.slice(space + 1), key.slice(0, space) as Digest)
      },
      {
        capacity: limits.maxMetainfoCached,
        timeToLive: (exit) =>
          Exit.isSuccess(exit) && exit.value.byteLength <= limits.maxMetainfoBytesCached
            ? toDuration(limits.metainfoLifetime)
            : 0
      }
    )

    const metainfo = Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const endpoint = parseBlobPath(request.url)
      if (endpoint instanceof OciError) return yield* endpoint
      if (endpoint.tag !== "Metainfo") {
        return yield* ociError("UNSUPPORTED", { status: 404, message: "a tracker has metainfo, not blobs" })
      }
      const bytes = yield* Effect.mapError(
        Cache.get(metainfos, `${endpoint.digest} ${endpoint.namespace}`),
        (error) => {
          if (error._tag === "BlobOnItsWay") return error
          return error._tag === "BlobUnknown" && error.unreachable.length === 0
            ? ociError("BLOB_UNKNOWN", { message: error.message })
            : ociError("UNAVAILABLE", { message: error.message })
        }
      )
      return HttpServerResponse.uint8Array(bytes, { contentType: "application/octet-stream" })
    }).pipe(
      Effect.catchTag("BlobOnItsWay", ({ message }) =>
        Effect.succeed(HttpServerResponse.text(`${message}\n`, { status: 202 }))
      )
    )

    const agents = makeRegisteredAgents(asking)
    metrics.readGauge("shoal_tracker_agents", "Agents that made themselves known", agents.count)

    const register = Effect.gen(function* () {
      const registration = yield* registrationBody
      if (!agents.register(registration, timers.now())) {
        return yield* ociError("UNAVAILABLE", {
          message: `${asking.maxRegisteredAgents} agents are known, there is no room for another`
        })
      }
      return HttpServerResponse.empty({ status: 204 })
    })

    const listAgents = Effect.sync(() =>
      HttpServerResponse.text(JSON.stringify({ agents: agents.list(timers.now()) }), {
        contentType: "application/json"
      })
    )

    const counted = (
      route: string,
      answer: Effect.Effect<
        HttpServerResponse.HttpServerResponse,
        OciError,
        HttpServerRequest.HttpServerRequest
      >
    ): RouteHandler =>
      countedHandler(
        counter,
        route,
        Effect.catch(answer, (error) => Effect.succeed(ociErrorResponse(error))),
        () => ociErrorResponse(ociError("UNKNOWN", { message: "the tracker failed; its log says where" }))
      )

    const app = yield* makeHttpApp(
      [
        { method: "POST", path: "/announce", handler: counted("announce", announce) },
        { method: "POST", path: "/agents", handler: counted("register", register) },
        { method: "GET", path: "/agents", handler: counted("agents", listAgents) },
        { method: "GET", path: "/namespace/*", handler: counted("metainfo", metainfo) }
      ],
      { role: "tracker", metrics, notReady: origins.notReady }
    )
    return { listeners: [{ name: "tracker", listen: config.http, app }] }
  })
