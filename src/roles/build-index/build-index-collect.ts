// The collector of a build-index. It removes content that its rules do not keep (retention.ts) and links of blobs
// that no manifest names: at a configured interval, on request (POST /collect), or as a dry run (GET /collect), which
// reports what would go and how many bytes no repository of this build-index would need any more.
//
// Invariants: a plan is made without blocking writers, so each of its deletions is checked again where writes are one
// after another: a tag that moved since, a manifest that was put again or has got a name, and a blob that someone
// relied on all stay. One collection runs at a time.

import { Clock, Effect, Random, Schema, type Scope, Semaphore } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import type { Digest } from "../../protocol/wire/digest.ts"
import { apiRoutes } from "../http/api-routes.ts"
import { collectApi, collectionReport } from "../http/collect-api.ts"
import type { HttpRoute } from "../http/http-app.ts"
import type { RequestCounter } from "../http/http-requests.ts"
import { HttpLimits } from "../http/limits.ts"
import { RegistryLimits } from "../registry/limits.ts"
import { counterMetric, type RoleMetrics } from "../services/metrics.ts"
import type { TableStoreError } from "../services/table-store.ts"
import type { BuildIndexChanges, NotFound, TagImmutable } from "./build-index-changes.ts"
import { decodeLinkRow, decodeManifestRow, decodeTagRow, type IndexTables } from "./build-index-tables.ts"
import type { CollectConfig } from "./config.ts"
import { planRetention, type RepositoryContent, type RetentionPlan } from "./retention.ts"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

const CollectReport = Schema.Struct({
  dryRun: Schema.Boolean,
  tags: Count,
  manifests: Count,
  blobs: Count,
  /** Bytes of content that no repository of this build-index links or names any more. */
  bytes: Count,
  /** Removed content by repository; the first maxCollectListed lines. */
  gone: Schema.Array(Schema.String)
}).annotate({ identifier: "BuildIndexCollectReport" })
type CollectReport = typeof CollectReport.Type

export const BuildIndexCollectApi = collectApi(CollectReport)

const collectedTotal = counterMetric("shoal_index_collected_total", {
  of: "build-indexes",
  description: "Tags, manifests and links that the collector removed",
  labels: { kind: "`tags`, `manifests` or `links`" }
})

export const makeBuildIndexCollect = (options: {
  readonly tables: IndexTables
  readonly changes: BuildIndexChanges
  readonly config: CollectConfig
  readonly graceMillis: number
  readonly isImmutable: (repository: string, tag: string) => boolean
  readonly counter: RequestCounter
  readonly metrics: RoleMetrics
}): Effect.Effect<ReadonlyArray<HttpRoute>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { tables, changes, config, graceMillis, isImmutable, counter, metrics } = options
    const { maxCollectListed } = yield* HttpLimits
    const { maxChangedByLength } = yield* RegistryLimits
    const oneAtATime = Semaphore.makeUnsafe(1).withPermit
    const collected = (kind: string) => metrics.counter(collectedTotal, { kind })
    const counters = { tags: collected("tags"), manifests: collected("manifests"), links: collected("links") }

    const contentOf = (name: string): Effect.Effect<RepositoryContent, TableStoreError> =>
      Effect.gen(function* () {
        const prefix = `${name} `
        const rest = (key: string) => key.slice(prefix.length)
        const tags = yield* Effect.forEach(yield* tables.all("tags", prefix), (row) =>
          Effect.map(decodeTagRow(row), ({ digest, version }) => ({ name: rest(row.key), digest, version }))
        )
        const manifests = yield* Effect.forEach(yield* tables.all("manifests", prefix), decodeManifestRow)
        const links = yield* Effect.forEach(yield* tables.all("links", prefix), (row) =>
          Effect.map(decodeLinkRow(row), (link) => ({ ...link, digest: rest(row.key) as Digest }))
        )
        const pulled = new Map(
          (yield* tables.all("pulled", prefix)).map(({ key, value }) => [rest(key) as Digest, Number(value)])
        )
        return { name, tags, manifests, links, pulled }
      })

    /** Bytes that nobody needs once all of this is gone. */
    const freed = (plans: ReadonlyMap<string, RetentionPlan>) =>
      Effect.gen(function* () {
        const sizes = new Map<Digest, number>()
        const goingManifests = new Set<string>()
        const goingLinks = new Set<string>()
        for (const [repository, plan] of plans) {
          for (const { digest, size } of plan.manifests) {
            sizes.set(digest, size)
            goingManifests.add(`${repository} ${digest}`)
          }
          for (const { digest, size } of plan.links) {
            sizes.set(digest, size)
            goingLinks.add(`${digest} ${repository}`)
          }
        }
        let bytes = 0
        for (const [digest, size] of sizes) {
          const linked = yield* tables.all("linked-by", `${digest} `)
          const named = yield* tables.all("named-by", `${digest} `)
          const isNeeded =
            linked.some(({ key }) => !goingLinks.has(key)) ||
            named.some(({ key }) => !goingManifests.has(key.slice(digest.length + 1)))
          if (!isNeeded) bytes += size
        }
        return bytes
      })

    const apply = (repository: string, plan: RetentionPlan, now: number) =>
      Effect.gen(function* () {
        const change = (rule: string) =>
          Effect.map(Random.nextInt, (operation) => ({
            by: `retention ${rule}`.slice(0, maxChangedByLength),
            operation: String(operation)
          }))
        // Content that changed since the plan was made stays. The next collection decides again.
        const counted = (
          deletion: Effect.Effect<unknown, NotFound | TagImmutable | TableStoreError>,
          counter: (increment: number) => void
        ) =>
          deletion.pipe(
            Effect.map(() => counter(1)),
            Effect.catchTags({ NotFound: () => Effect.void, TagImmutable: () => Effect.void })
          )
        for (const { name, version, rule } of plan.tags) {
          yield* counted(changes.deleteTag(repository, name, yield* change(rule), { version }), counters.tags)
        }
        // An index goes before its children, which it keeps, so there are as many rounds as levels.
        let left = plan.manifests
        for (let before = -1; left.length !== before; ) {
          before = left.length
          const stayed: Array<RetentionPlan["manifests"][number]> = []
          for (const manifest of left) {
            const gone = yield* changes
              .collectManifest(repository, manifest.digest, manifest.putAt, yield* change("untagged"))
              .pipe(
                Effect.as(true),
                Effect.catchTags({
                  NotFound: () => Effect.succeed(false),
                  TagImmutable: () => Effect.succeed(false)
                })
              )
            if (gone) counters.manifests(1)
            else stayed.push(manifest)
          }
          left = stayed
        }
        const blobs = plan.links.map(({ digest }) => digest)
        const gone = yield* changes.collectLinks(repository, blobs, now - graceMillis)
        counters.links(gone.length)
      })

    const collect = (dryRun: boolean): Effect.Effect<CollectReport, TableStoreError> =>
      oneAtATime(
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          const plans = new Map<string, RetentionPlan>()
          for (const { key } of yield* tables.all("repositories", "")) {
            const rules = config.retention
            const plan = planRetention(yield* contentOf(key), { rules, isImmutable, now, graceMillis })
            if (plan.tags.length + plan.manifests.length + plan.links.length > 0) plans.set(key, plan)
          }
          const report = { dryRun, ...totals(plans, maxCollectListed), bytes: yield* freed(plans) }
          if (!dryRun) {
            for (const [repository, plan] of plans) yield* apply(repository, plan, now)
            if (plans.size > 0) {
              const { tags, manifests, blobs, bytes } = report
              yield* Effect.annotateLogs(Effect.logInfo("collected what no tag needs"), {
                tags,
                manifests,
                blobs,
                bytes
              })
            }
          }
          return report
        })
      )

    if (config.every !== undefined) {
      const again = Effect.catch(collect(false), (error) =>
        Effect.logError("the collection stops until the next interval:", error.message)
      )
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(config.every), again)))
    }

    const answers = HttpApiBuilder.group(BuildIndexCollectApi, "collect", (handlers) =>
      handlers
        .handle("plan", () => collectionReport(collect(true)))
        .handle("collect", ({ query }) => collectionReport(collect(query["dry-run"] !== undefined)))
    )
    return yield* apiRoutes(BuildIndexCollectApi, answers, {
      role: "the build-index",
      counter,
      routeName: () => "/collect"
    })
  })

const totals = (plans: ReadonlyMap<string, RetentionPlan>, mostLines: number) => {
  const gone: string[] = []
  const total = { tags: 0, manifests: 0, blobs: 0 }
  for (const [repository, plan] of plans) {
    total.tags += plan.tags.length
    total.manifests += plan.manifests.length
    total.blobs += plan.links.length
    const lines = [
      ...plan.tags.map(({ name, digest, rule }) => `${repository}:${name} ${digest} (rule ${rule})`),
      ...plan.manifests.map(({ digest, size }) => `${repository}@${digest} ${size} bytes (untagged)`),
      ...plan.links.map(
        ({ digest, size }) => `${repository} blob ${digest} ${size} bytes (no manifest names it)`
      )
    ]
    gone.push(...lines.slice(0, Math.max(0, mostLines - gone.length)))
  }
  return { ...total, gone }
}
