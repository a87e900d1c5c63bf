// A tracker: it knows the members of each swarm, introduces peers to each other and to the origins that seed, and
// passes metainfo on from the origins. It stores nothing on disk: after a restart, the peers' next announces complete
// its tables again. client/tracker-api.ts defines its HTTP.
//
// Invariant: a peer learns only of peers that announced themselves or that an origin named as itself.

import { Effect, Exit, Layer, Random } from "effect"
import { HttpApi, HttpApiBuilder } from "effect/http-api"
import { limits as protocolLimits } from "../../protocol/limits.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { isOfArrival } from "../../protocol/wire/metainfo.ts"
import { AskLimits } from "../client/limits.ts"
import { makeOriginClient } from "../client/origin-client.ts"
import type { BlobOnItsWay, OriginReadError } from "../client/origin-errors.ts"
import { AgentRegistration } from "../client/registration-wire.ts"
import { TrackerApi } from "../client/tracker-api.ts"
import { AnnounceBatch, type SwarmAnnounce, type SwarmHandOut } from "../client/tracker-wire.ts"
import type { HostProgram } from "../host-program.ts"
import { apiRoutes } from "../http/api-routes.ts"
import { makeHttpApp } from "../http/http-app.ts"
import { makeRequestCounter } from "../http/http-requests.ts"
import { jsonBody } from "../http/json-body.ts"
import { type OciError, ociError } from "../oci/oci-error.ts"
import { makeFork } from "../scoped.ts"
import { toDuration } from "../services/clock.ts"
import { makeExpiringCache } from "../services/expiring-cache.ts"
import { gaugeMetric, makeRoleMetrics } from "../services/metrics.ts"
import { randomSource } from "../services/random-source.ts"
import { SwarmRules } from "../services/swarm-rules.ts"
import { Timers } from "../services/timers.ts"
import type { TrackerConfig } from "./config.ts"
import { TrackerLimits } from "./limits.ts"
import { makeRegisteredAgents } from "./registered-agents.ts"
import { makeTrackerSwarms } from "./tracker-swarms.ts"

/** The tracker's own answers fit its schemas, and the client checks them. */
const api = TrackerApi.annotate(HttpApi.SuccessParseOptions, { disableChecks: true })

/** The reason why there is no metainfo, or the message that it is on its way. */
const metainfoFailure = (error: OriginReadError | BlobOnItsWay): Effect.Effect<string, OciError> => {
  if (error._tag === "BlobOnItsWay") return Effect.succeed(`${error.message}\n`)
  return Effect.fail(
    error._tag === "BlobUnknown" && error.unreachable.length === 0
      ? ociError("BLOB_UNKNOWN", { message: error.message })
      : ociError("UNAVAILABLE", { message: error.message })
  )
}

const swarmsKnown = gaugeMetric("shoal_tracker_swarms", {
  of: "trackers",
  description: "Swarms that have peers"
})
const peersKnown = gaugeMetric("shoal_tracker_peers", {
  of: "trackers",
  description: "Peers over all swarms"
})
const agentsKnown = gaugeMetric("shoal_tracker_agents", {
  of: "trackers",
  description: "Agents that registered recently"
})

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
    metrics.readGauge(swarmsKnown, swarms.swarms)
    metrics.readGauge(peersKnown, swarms.peers)

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
        // Only a peer with missing pieces needs seeds.
        const seeds = announced.event === "downloading" ? yield* origins.seeds(announced.digest) : []
        const agent = { ...peer, kind: "agent" } as const
        const peers = swarms.announce(agent, announced, seeds, timers.now())
        return { swarm: announced.swarm, intervalMs: interval(announced), peers }
      })

    const fork = yield* makeFork
    // Agents of a flash crowd all ask for the same at once, and one request goes to the origins.
    const metainfos = yield* makeExpiringCache(
      (key: string) => {
        const space = key.indexOf(" ")
        const digest = key.slice(0, space) as Digest
        // Who asks for metainfo announces itself next, and then waits for the seeds.
        fork(origins.seeds(digest))
        return origins.metainfo(key.slice(space + 1), digest)
      },
      {
        capacity: limits.maxMetainfoCached,
        // An arrival ends soon.
        lifetime: (result) =>
          Exit.isSuccess(result) && !isOfArrival(result.value) ? limits.metainfoLifetime : 0
      }
    )

    const agents = makeRegisteredAgents(asking)
    metrics.readGauge(agentsKnown, agents.count)

    const answers = Layer.mergeAll(
      HttpApiBuilder.group(api, "announce", (handlers) =>
        handlers.handleRaw("post", () =>
          Effect.gen(function* () {
            const batch = yield* announceBody
            const answered = yield* Effect.forEach(
              batch.swarms,
              (announced) => handOut(batch.peer, announced),
              { concurrency: asking.maxParallelAsks }
            )
            return { swarms: answered }
          })
        )
      ),
      HttpApiBuilder.group(api, "register", (handlers) =>
        handlers.handleRaw("post", () =>
          Effect.gen(function* () {
            const registration = yield* registrationBody
            if (!agents.register(registration, timers.now())) {
              return yield* ociError("UNAVAILABLE", {
                message: `${asking.maxRegisteredAgents} agents are known, there is no room for another`
              })
            }
          })
        )
      ),
      HttpApiBuilder.group(api, "agents", (handlers) =>
        handlers.handle("list", () => Effect.sync(() => ({ agents: agents.list(timers.now()) })))
      ),
      HttpApiBuilder.group(api, "metainfo", (handlers) =>
        handlers.handle("get", ({ params: { namespace, digest } }) =>
          Effect.catch(metainfos.get(`${digest} ${namespace}`), metainfoFailure)
        )
      )
    )
    const routes = yield* apiRoutes(TrackerApi, answers, {
      role: "the tracker",
      counter,
      routeName: (group) => group
    })
    const app = yield* makeHttpApp(routes, { metrics, notReady: origins.notReady })
    return { listeners: [{ name: "tracker", listen: config.http, app }] }
  })
