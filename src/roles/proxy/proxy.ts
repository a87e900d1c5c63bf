// A proxy: the registry that accepts pushes and also serves pulls, over the origins and build-indexes. This file
// assembles the parts.

import { Effect } from "effect"
import { makeBuildIndexClient } from "../client/build-index-client.ts"
import { AskLimits } from "../client/limits.ts"
import { makeOriginClient } from "../client/origin-client.ts"
import { patienceOf } from "../config/client-limits.ts"
import type { HostProgram } from "../host-program.ts"
import { limitClients } from "../http/client-limits.ts"
import { makeHttpApp } from "../http/http-app.ts"
import { makeRequestCounter } from "../http/http-requests.ts"
import { RegistryLimits } from "../registry/limits.ts"
import { registryRoutes } from "../registry/registry-routes.ts"
import { makeRegistryWrite } from "../registry/registry-write.ts"
import { makeUploadPace } from "../registry/upload-pace.ts"
import { makeUploadSessions } from "../registry/upload-sessions.ts"
import type { UploadStore } from "../registry/upload-store.ts"
import { Digests } from "../services/digests.ts"
import { HostStorage } from "../services/host-storage.ts"
import { gaugeMetric, makeRoleMetrics } from "../services/metrics.ts"
import { makeMirrorNames } from "../upstream/mirror-names.ts"
import { keepMirrored, makeMirrorScope } from "../upstream/mirror-scope.ts"
import type { ProxyConfig } from "./config.ts"
import { fetchingOrigins } from "./fetching-origins.ts"
import { makeForwardedBlobs, type PushedBlobs } from "./forwarded-blobs.ts"
import { checkPreheat, makePreheat } from "./preheat.ts"
import { makeProxySink, makeProxySource } from "./proxy-images.ts"

const uploadsOpen = gaugeMetric("shoal_uploads_open", {
  of: "proxies",
  description: "Unfinished uploads of clients"
})

/** `atOrigin` is the upload store of an origin in the same process, which takes the place of the proxy's own. */
export const proxy = (config: ProxyConfig, atOrigin?: UploadStore): HostProgram =>
  Effect.gen(function* () {
    yield* checkPreheat(config)
    const storage = yield* HostStorage
    const digests = yield* Digests
    const metrics = makeRoleMetrics("proxy")
    const pushed: PushedBlobs =
      atOrigin === undefined
        ? yield* makeForwardedBlobs(yield* storage.blobs(config.data))
        : { uploads: atOrigin, forward: undefined }
    const tables = yield* storage.tables(config.data)
    const origins = yield* makeOriginClient(config.origins)
    const names = makeMirrorNames(config.mirrors)
    const buildIndex = yield* makeBuildIndexClient(config.buildIndexes, names.isMirrored)
    const allowed = config.limits
    const uploads = yield* makeUploadSessions(pushed.uploads, tables, allowed)
    const pace = yield* makeUploadPace(allowed.uploadRate)
    metrics.readGauge(uploadsOpen, uploads.open)

    const images = { origins, buildIndex, digests }
    const counter = makeRequestCounter(metrics)
    const source = makeProxySource({
      ...images,
      origins: fetchingOrigins(origins, names.isMirrored, yield* AskLimits)
    })
    const preheat = yield* makePreheat(config, { source, metrics, counter, names })
    const write = makeRegistryWrite({
      limits: yield* RegistryLimits,
      uploads,
      sink: makeProxySink({ ...images, forward: pushed.forward }),
      digests,
      pace,
      manifestBytes: allowed.manifestSize
    })
    const registry = yield* registryRoutes({
      source,
      write: keepMirrored(names, preheat.triggeredBy(write)),
      scope: makeMirrorScope(names, config.ownNames),
      counter
    })
    const notReady = Effect.map(
      Effect.all([origins.notReady, buildIndex.notReady], { concurrency: "unbounded" }),
      (reports) => reports.flat()
    )
    const app = yield* makeHttpApp([...registry, ...preheat.routes], { metrics, notReady })
    const listener = {
      name: "registry",
      listen: config.registry,
      app: yield* limitClients(app, allowed, metrics),
      patience: patienceOf(allowed)
    }
    return { listeners: [listener] }
  })
