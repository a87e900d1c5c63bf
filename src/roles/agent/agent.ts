// Agent role, which runs on every host: a read-only registry for the local container runtime, and a peer of all other
// hosts. This file connects the parts; what each part does is in its own file.

import { Duration, Effect, Option } from "effect"
import { HttpClient } from "effect/http"
import type { Digest } from "../../protocol/wire/digest.ts"
import { makeBuildIndexClient } from "../client/build-index-client.ts"
import { AskLimits } from "../client/limits.ts"
import { keepRegistered } from "../client/registration-client.ts"
import { makeTrackerClient } from "../client/tracker-client.ts"
import { patienceOf } from "../config/client-limits.ts"
import { type HostProgram, type HttpListener, RoleMisconfigured, type StartedRole } from "../host-program.ts"
import { limitClients } from "../http/client-limits.ts"
import { type HttpRoute, madeWhenAsked, makeHttpApp } from "../http/http-app.ts"
import { makeRequestCounter } from "../http/http-requests.ts"
import { makeAnnouncer } from "../peer/announcer.ts"
import { makePeerEngine, type PeerEngine } from "../peer/peer-engine.ts"
import { peerIdOf } from "../peer/peer-identity.ts"
import { readOnlyRegistryRoutes, registryRoutes } from "../registry/registry-routes.ts"
import { HostStorage } from "../services/host-storage.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { type MirrorNames, makeMirrorNames } from "../upstream/mirror-names.ts"
import { keepMirrored, makeMirrorScope } from "../upstream/mirror-scope.ts"
import { makeAgentImages } from "./agent-images.ts"
import type { AgentConfig } from "./config.ts"
import { withDefaultUpstream } from "./default-upstream.ts"
import { makeDiskBudget } from "./disk-budget.ts"
import { makeDownloads, type PullError } from "./downloads.ts"
import { evictBlob } from "./evict-blob.ts"
import { makeImageResolver } from "./image-resolver.ts"
import { AgentLimits } from "./limits.ts"
import { preheatAgentRoutes } from "./preheat-agent.ts"
import { makePushForward, type PushForward } from "./push-forward.ts"

export interface Agent extends StartedRole {
  readonly engine: PeerEngine
  /** Downloads a whole blob into the agent's store; used by preheating and experiments. */
  readonly pull: (namespace: string, digest: Digest) => Effect.Effect<void, PullError>
}

export const agent = (config: AgentConfig): HostProgram<Agent> =>
  Effect.gen(function* () {
    const names = makeMirrorNames(config.mirrors, config.defaultUpstream)
    yield* checkTogether(config, names)
    const storage = yield* HostStorage
    const metrics = makeRoleMetrics("agent")
    const store = yield* storage.blobs(config.data)
    const disk =
      config.disk === undefined
        ? undefined
        : yield* makeDiskBudget({ blobs: store, config: config.disk, metrics })
    const blobs = disk?.blobs ?? store
    const peerId = yield* peerIdOf(config.data)
    const engine = yield* makePeerEngine({
      blobs,
      kind: "agent",
      peerId,
      peer: config.peer,
      rates: config.rates,
      metrics
    })
    const tracker = yield* makeTrackerClient(config.trackers)
    const buildIndex = yield* Effect.cached(
      Effect.provideContext(
        makeBuildIndexClient(config.buildIndexes, names.isMirrored),
        yield* Effect.context<HttpClient.HttpClient>()
      )
    )
    const announcer = yield* makeAnnouncer({ engine, tracker, metrics })
    const downloads = yield* makeDownloads({
      blobs,
      engine,
      tracker,
      announcer,
      metrics,
      ...(disk === undefined ? {} : { disk })
    })
    const pull: Agent["pull"] = (namespace, digest) => downloads.pull(namespace, digest)
    yield* announcer.seedAll(blobs)
    yield* disk?.run(evictBlob({ blobs, engine, announcer, downloads })) ?? Effect.void
    const counter = makeRequestCounter(metrics)
    const resolver = yield* makeImageResolver({
      buildIndex,
      tables: yield* storage.tables(config.data),
      metrics,
      freshness: Duration.toMillis(config.freshness),
      serveStale: config.serveStale
    })
    const forward = yield* pushForward(config, (repository) => resolver.invalidate(repository))
    const health = {
      metrics,
      notReady: Effect.gen(function* () {
        const asked = [(yield* buildIndex).notReady, tracker.notReady]
        return (yield* Effect.all(asked, { concurrency: "unbounded" })).flat()
      })
    }
    const { register, trackers } = config
    const forProxies = register?.listen
    const preheat: Effect.Effect<ReadonlyArray<HttpRoute>> = Effect.gen(function* () {
      if (register === undefined) return []
      const has = (digest: Digest) => Effect.map(blobs.stat(digest), Option.isSome)
      return yield* preheatAgentRoutes({
        ...{ has, pull, counter },
        limits: yield* AgentLimits,
        asking: yield* AskLimits
      })
    })
    const registry = Effect.gen(function* () {
      const source = yield* withDefaultUpstream(
        makeAgentImages(downloads, yield* buildIndex, resolver, metrics),
        names
      )
      const scope = makeMirrorScope(names, config.ownNames)
      const routes =
        forward === undefined
          ? yield* readOnlyRegistryRoutes({
              source,
              pushTo: config.proxy ?? "the cluster's proxy",
              counter,
              scope
            })
          : yield* registryRoutes({ source, ...keptMirrored(names, forward), counter, scope })
      const app = yield* makeHttpApp(
        forProxies === undefined ? [...routes, ...(yield* preheat)] : routes,
        health
      )
      return yield* limitClients(app, config.limits, metrics)
    })
    if (register !== undefined) {
      const { url, zone } = register
      const registration = { url, ...(zone === undefined ? {} : { zone }) }
      yield* keepRegistered({ trackers, registration, metrics })
    }
    const listeners: Array<HttpListener> = [
      {
        name: "registry",
        listen: config.registry,
        app: yield* madeWhenAsked(registry),
        patience: patienceOf(config.limits)
      }
    ]
    if (forProxies !== undefined) {
      const app = yield* madeWhenAsked(Effect.flatMap(preheat, (routes) => makeHttpApp(routes, health)))
      listeners.push({ name: "preheat", listen: forProxies, app })
    }
    return {
      listeners,
      engine,
      pull
    }
  })

/** Repositories of an upstream are never pushed to, and the proxy is not asked for their blobs. */
const keptMirrored = (names: MirrorNames, { write, headBlob }: PushForward): PushForward => ({
  write: keepMirrored(names, write),
  headBlob: (endpoint, own) => (names.isMirrored(endpoint.repository) ? own : headBlob(endpoint, own))
})

/** Settings that do not fit together, found before anything is opened. */
const checkTogether = (config: AgentConfig, names: MirrorNames): Effect.Effect<void, RoleMisconfigured> => {
  if (config.push === "forward" && config.proxy === undefined) {
    return new RoleMisconfigured({
      message: "agent: push is forward, but proxy is not set: set it to the proxy that takes pushes"
    })
  }
  if (config.defaultUpstream !== undefined && names.defaultPrefix === undefined) {
    return new RoleMisconfigured({
      message: `agent: defaultUpstream is ${config.defaultUpstream}, which is not one of mirrors: add it to mirrors`
    })
  }
  return Effect.void
}

const pushForward = (
  config: AgentConfig,
  written: (repository: string) => Effect.Effect<void>
): Effect.Effect<PushForward | undefined, never, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    if (config.push !== "forward" || config.proxy === undefined) return undefined
    return makePushForward({
      client: yield* HttpClient.HttpClient,
      proxy: config.proxy,
      written,
      maxAnswerBytes: (yield* AgentLimits).maxForwardedAnswerBytes
    })
  })
