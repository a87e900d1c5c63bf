// Image resolver of an agent: what a tag, a manifest or a blob of a repository is, from the cache or a build-index.
// An entry confirmed within `freshness` is served from the cache, an older one is asked for again. While no
// build-index answers, the last known value is served with its age, if the configuration allows it. What the cache
// holds, and what of it survives a restart, is in resolution-cache.ts.
//
// Invariants: a read that begins `freshness` or more after a put was acknowledged sees that put, unless the
// build-index is away. Readers of the same entry share a question only if it was asked within `freshness`. An absence
// is never served from the cache while the build-index answers. An answer is durable before a reader gets it, so a
// restart goes back to nothing older.

import { Clock, Deferred, Effect, Exit, Option, type Scope, Semaphore } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import {
  type BuildIndexClient,
  type BuildIndexError,
  BuildIndexUnavailable
} from "../client/build-index-client.ts"
import { ImageUnavailable, ImageUnknown, type ResolvedManifest } from "../registry/image-source.ts"
import { toDuration } from "../services/clock.ts"
import { ServiceLimits } from "../services/limits.ts"
import type { RoleMetrics } from "../services/metrics.ts"
import { forEachPage } from "../services/table-pages.ts"
import type { TableStore, TableStoreError } from "../services/table-store.ts"
import { AgentLimits } from "./limits.ts"
import { type CacheEntry, type CacheUpdate, cacheTables, ResolutionCache } from "./resolution-cache.ts"
import { noCounts, readResolverMetrics } from "./resolver-metrics.ts"

export interface ImageResolverOptions {
  /** Makes the client at the first question. */
  readonly buildIndex: Effect.Effect<BuildIndexClient>
  readonly tables: TableStore
  readonly metrics: RoleMetrics
  /** Milliseconds; 0 asks the build-index every time. */
  readonly freshness: number
  /** Whether the last known value is served while the build-index is away. */
  readonly serveStale: boolean
}

type Read<A> = Effect.Effect<A, ImageUnknown | ImageUnavailable>

export interface ImageResolver {
  readonly tag: (repository: string, name: string) => Read<ResolvedManifest>
  readonly manifest: (repository: string, digest: Digest) => Read<ResolvedManifest>
  /** Fails with ImageUnknown unless the repository has the blob. */
  readonly blob: (repository: string, digest: Digest) => Read<void>
  /** A write changed the repository: everything cached of it is asked for again. */
  readonly invalidate: (repository: string) => Effect.Effect<void>
}

interface Question {
  readonly repository: string
  readonly askedAt: number
  /** Succeeds once the answer is in the cache. */
  readonly done: Deferred.Deferred<void, BuildIndexUnavailable>
}

/** A read of one kind of entry: how to look it up, ask for it, and make an answer of it. */
interface Lookup<Value, A> {
  readonly name: "tag" | "manifest" | "blob"
  readonly key: string
  readonly repository: string
  readonly find: (now: number) => CacheEntry<Value> | undefined
  readonly ask: (known: Value | undefined, at: number) => Effect.Effect<CacheUpdate, BuildIndexUnavailable>
  /** None when the entry says that it does not exist. */
  readonly toResult: (entry: CacheEntry<Value>) => Option.Option<A>
  readonly unknown: ImageUnknown
}

export const makeImageResolver = (
  options: ImageResolverOptions
): Effect.Effect<ImageResolver, TableStoreError, Scope.Scope> =>
  Effect.gen(function* () {
    const resolver = new CachingResolver(options, yield* AgentLimits, yield* Effect.scope)
    yield* resolver.restore((yield* ServiceLimits).tableScanPage)
    return resolver
  })

/** Has methods instead of closures and makes tables at their first entry: a simulation has thousands of resolvers. */
class CachingResolver implements ImageResolver {
  readonly #options: ImageResolverOptions
  readonly #limits: AgentLimits
  readonly #scope: Scope.Scope
  readonly #cache: ResolutionCache
  #asking: Map<string, Question> | undefined
  /** Repositories whose build-index did not answer, and when it may be asked again. */
  #away: Map<string, number> | undefined
  #learning: Semaphore.Semaphore | undefined
  readonly #counts = noCounts()

  constructor(options: ImageResolverOptions, limits: AgentLimits, scope: Scope.Scope) {
    this.#options = options
    this.#limits = limits
    this.#cache = new ResolutionCache(limits)
    this.#scope = scope
    readResolverMetrics(options.metrics, this.#counts, this.#cache)
  }

  /** Loads the entries that an earlier run stored. */
  restore(rowsAtOnce: number): Effect.Effect<void, TableStoreError> {
    const { tables } = this.#options
    return Effect.forEach(
      Object.values(cacheTables),
      (table) => restoreTable(tables, this.#cache, table, rowsAtOnce),
      { discard: true }
    )
  }

  tag(repository: string, name: string): Read<ResolvedManifest> {
    return this.#read({
      name: "tag",
      key: `tag ${repository} ${name}`,
      repository,
      find: (now) => this.#cache.tag(repository, name, now),
      ask: (known, at) =>
        Effect.flatMap(
          this.#ask((index) =>
            known?.manifest === undefined
              ? Effect.map(index.tag(repository, name), Option.some)
              : index.tagSince(repository, name, known)
          ),
          (answer) =>
            Effect.flatMap(Clock.currentTimeMillis, (now) =>
              this.#learn(() => {
                const told = answer === "gone" ? answer : Option.getOrElse(answer, () => "same" as const)
                return this.#cache.updateTag(repository, name, told, at, now)
              })
            )
        ),
      toResult: ({ value, age }) =>
        value.manifest === undefined
          ? Option.none()
          : Option.some({ ...value.manifest, age: secondsOf(age) + (value.upstreamAge ?? 0) }),
      unknown: new ImageUnknown({ what: "manifest", message: `there is no tag ${name} in ${repository}` })
    })
  }

  manifest(repository: string, digest: Digest): Read<ResolvedManifest> {
    return this.#read({
      name: "manifest",
      key: `manifest ${repository} ${digest}`,
      repository,
      find: (now) => this.#cache.manifest(repository, digest, now),
      ask: (_, at) =>
        Effect.flatMap(
          this.#ask((index) => index.manifest(repository, digest)),
          (answer) => this.#learn(() => this.#cache.updateManifest(repository, digest, answer, at))
        ),
      toResult: ({ value: { mediaType, size }, age }) =>
        Option.some({ digest, mediaType, size, age: secondsOf(age) }),
      unknown: new ImageUnknown({
        what: "manifest",
        message: `there is no manifest ${digest} in ${repository}`
      })
    })
  }

  blob(repository: string, digest: Digest): Read<void> {
    return this.#read({
      name: "blob",
      key: `blob ${repository} ${digest}`,
      repository,
      find: (now) => this.#cache.blob(repository, digest, now),
      ask: (_, at) =>
        Effect.flatMap(
          this.#ask((index) => index.blob(repository, digest)),
          (answer) => this.#learn(() => this.#cache.updateBlob(repository, digest, answer, at))
        ),
      toResult: ({ value }) => (value.gone === true ? Option.none() : Option.some(undefined)),
      unknown: new ImageUnknown({ what: "blob", message: `${repository} has no blob ${digest}` })
    })
  }

  invalidate(repository: string): Effect.Effect<void> {
    return Effect.map(Clock.currentTimeMillis, (now) => {
      this.#cache.invalidate(repository, now)
      for (const [key, asked] of this.#asking ?? []) {
        if (asked.repository === repository) this.#asking?.delete(key)
      }
    })
  }

  /** Stores an update, then applies it. A failed write costs only what a restart would find, so it is a warning. */
  #learn(compute: () => CacheUpdate): Effect.Effect<CacheUpdate> {
    this.#learning ??= Semaphore.makeUnsafe(1)
    return this.#learning.withPermit(
      Effect.gen({ self: this }, function* () {
        const update = compute()
        if (update.outcome === "older") this.#counts.olderAnswers++
        if (update.writes.length > 0) {
          yield* Effect.catch(this.#options.tables.write(update.writes), (error) =>
            Effect.logWarning("an answer of the build-index is not stored for a restart:", error)
          )
        }
        update.apply()
        return update
      })
    )
  }

  #setAway(repository: string, now: number): void {
    this.#away ??= new Map()
    if (this.#away.size >= this.#limits.maxRememberedRepositories) this.#away.clear()
    const pause = Math.min(this.#limits.staleRetryPause / 1_000, this.#options.freshness)
    this.#away.set(repository, now + pause)
  }

  /** Asks in a fiber of the agent's scope: one reader may hang up while others wait for the same answer. */
  #question<Value, A>(
    lookup: Lookup<Value, A>,
    known: Value | undefined,
    now: number
  ): Effect.Effect<Question> {
    return Effect.gen({ self: this }, function* () {
      this.#asking ??= new Map()
      const asking = this.#asking
      const running = asking.get(lookup.key)
      if (running !== undefined && now - running.askedAt < this.#options.freshness) return running
      const asked: Question = {
        repository: lookup.repository,
        askedAt: now,
        done: yield* Deferred.make<void, BuildIndexUnavailable>()
      }
      asking.set(lookup.key, asked)
      const answered = lookup.ask(known, now).pipe(
        Effect.onExit((exit) =>
          Effect.suspend(() => {
            if (asking.get(lookup.key) === asked) asking.delete(lookup.key)
            if (Exit.isSuccess(exit)) this.#away?.delete(lookup.repository)
            return Deferred.done(asked.done, Exit.asVoid(exit))
          })
        ),
        Effect.exit
      )
      yield* Effect.forkIn(answered, this.#scope)
      return asked
    })
  }

  #read<Value, A>(lookup: Lookup<Value, A>): Read<A> {
    return Effect.gen({ self: this }, function* () {
      const { freshness, serveStale } = this.#options
      const now = yield* Clock.currentTimeMillis
      const count = this.#counts[lookup.name]
      const cached = lookup.find(now)
      const known = cached === undefined ? Option.none() : lookup.toResult(cached)
      const mayBeStale = serveStale && cached !== undefined
      if (cached !== undefined && Option.isSome(known)) {
        const isFresh = !cached.invalidated && cached.age >= 0 && cached.age < freshness
        if (isFresh) {
          count.cache++
          return known.value
        }
      }
      const stale = Effect.suspend(() => {
        count.stale++
        return Option.isSome(known) ? Effect.succeed(known.value) : Effect.fail(lookup.unknown)
      })
      if (mayBeStale && now < (this.#away?.get(lookup.repository) ?? 0)) return yield* stale

      const { done } = yield* this.#question(lookup, cached?.value, now)
      const answered = Deferred.await(done).pipe(
        mayBeStale
          ? Effect.timeoutOrElse({
              duration: toDuration(this.#limits.revalidationPatience),
              orElse: () =>
                Effect.fail(
                  new BuildIndexUnavailable({ message: "the build-index takes too long to answer" })
                )
            })
          : (wait) => wait
      )
      const failure = yield* Effect.match(answered, {
        onSuccess: () => undefined,
        onFailure: (error) => error
      })
      if (failure !== undefined && mayBeStale) {
        this.#setAway(lookup.repository, yield* Clock.currentTimeMillis)
        return yield* stale
      }
      if (failure !== undefined) {
        count.unavailable++
        return yield* new ImageUnavailable({ message: failure.message })
      }
      count.buildIndex++
      const answer = lookup.find(yield* Clock.currentTimeMillis)
      const told = answer === undefined ? Option.none<A>() : lookup.toResult(answer)
      if (Option.isNone(told)) return yield* lookup.unknown
      return told.value
    })
  }

  /** The build-index's answer, or "gone" when it knows nothing of that name. */
  #ask<A>(
    asked: (index: BuildIndexClient) => Effect.Effect<A, BuildIndexError>
  ): Effect.Effect<A | "gone", BuildIndexUnavailable> {
    const answered: Effect.Effect<A, BuildIndexError> = Effect.flatMap(this.#options.buildIndex, asked)
    return Effect.catchTag(answered, "TagUnknown", () => Effect.succeed("gone" as const))
  }
}

const secondsOf = (millis: number): number => Math.max(0, Math.floor(millis / 1000))

const restoreTable = (
  tables: TableStore,
  cache: ResolutionCache,
  table: string,
  limit: number
): Effect.Effect<void, TableStoreError> =>
  forEachPage(tables, table, { limit }, (rows) => Effect.sync(() => cache.restore(table, rows)))
