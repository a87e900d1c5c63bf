// A build-index: the single source of truth for the tags of a repository, its manifests and its blobs. Clients choose
// it by the repository's name (build-index-client.ts). This file assembles the parts.

import { Duration, Effect } from "effect"
import { BuildIndexApi } from "../client/build-index-api.ts"
import { AskLimits } from "../client/limits.ts"
import { makeOriginClient } from "../client/origin-client.ts"
import { type HostProgram, type HostServices, RoleMisconfigured } from "../host-program.ts"
import { apiRoutes } from "../http/api-routes.ts"
import { makeHttpApp } from "../http/http-app.ts"
import { makeRequestCounter } from "../http/http-requests.ts"
import { matchesImage } from "../oci/image-pattern.ts"
import { OciLimits } from "../oci/limits.ts"
import { toDuration } from "../services/clock.ts"
import { HostStorage } from "../services/host-storage.ts"
import { ServiceLimits } from "../services/limits.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import type { UpstreamAway } from "../upstream/upstream-errors.ts"
import { makeUpstreamRegistries } from "../upstream/upstream-registries.ts"
import { buildIndexAnswers } from "./build-index-answers.ts"
import { type BuildIndexChanges, makeBuildIndexChanges } from "./build-index-changes.ts"
import { makeBuildIndexCollect } from "./build-index-collect.ts"
import { type BuildIndexStore, makeBuildIndexStore } from "./build-index-store.ts"
import { makeIndexTables } from "./build-index-tables.ts"
import type { BuildIndexConfig } from "./config.ts"
import { BuildIndexLimits } from "./limits.ts"
import { makeMirroredIndex } from "./mirrored-index.ts"

export const buildIndex = (config: BuildIndexConfig): HostProgram =>
  Effect.gen(function* () {
    if (config.upstreams.length > 0 && config.origins === undefined) {
      return yield* new RoleMisconfigured({
        message: "build-index: upstreams are given, but not origins: name those that keep what is mirrored"
      })
    }
    const storage = yield* HostStorage
    const store = yield* storage.tables(config.data)
    const limits = { ...(yield* BuildIndexLimits), ...(yield* ServiceLimits), ...(yield* OciLimits) }
    const tables = makeIndexTables(store, limits)
    const { collect } = config
    const graceMillis = Duration.toMillis(collect.grace)
    const immutableBy = (repository: string, tag: string) =>
      config.immutableTags.find((pattern) => matchesImage(pattern, repository, tag))
    const changes = makeBuildIndexChanges(tables, store, graceMillis, limits, immutableBy)
    const metrics = makeRoleMetrics("build-index")
    const counter = makeRequestCounter(metrics)

    const index = yield* mirrored(config, makeBuildIndexStore(tables, limits), changes)
    const wantsPulls = collect.retention.some((rule) => rule.keepPulledWithin !== undefined)
    const answers = buildIndexAnswers(index, changes, limits, wantsPulls ? changes.notePull : undefined)
    const routes = yield* apiRoutes(BuildIndexApi, answers, {
      role: "the build-index",
      counter,
      routeName: (group) => `/repositories ${group}`
    })

    const collecting = yield* makeBuildIndexCollect({
      ...{ tables, changes, graceMillis, counter, metrics },
      config: collect,
      isImmutable: (repository, tag) => immutableBy(repository, tag) !== undefined
    })

    const notReady = store.get("repositories", "").pipe(
      Effect.timeout(toDuration((yield* AskLimits).healthTimeout)),
      Effect.match({
        onSuccess: (): ReadonlyArray<string> => [],
        onFailure: (error) => [`the tables in ${config.data} do not answer: ${error.message}`]
      })
    )
    const app = yield* makeHttpApp([...routes, ...collecting], { metrics, notReady })
    return { listeners: [{ name: "build-index", listen: config.http, app }] }
  })

/** The store with the repositories of upstream registries, if there are any. */
const mirrored = (
  { upstreams, origins }: BuildIndexConfig,
  index: BuildIndexStore,
  changes: BuildIndexChanges
): Effect.Effect<BuildIndexStore<UpstreamAway>, never, HostServices> =>
  Effect.gen(function* () {
    if (upstreams.length === 0 || origins === undefined) return index
    return yield* makeMirroredIndex({
      index,
      changes,
      upstreams: yield* makeUpstreamRegistries(upstreams),
      origins: yield* makeOriginClient(origins)
    })
  })
