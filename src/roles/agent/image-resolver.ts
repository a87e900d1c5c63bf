// Decides when an agent asks the build-indexes again, and what it answers while they are away: a fact that was confirmed
// within `freshness` is served as it is, an older one is asked for anew; when nobody answers, the last known value is
// served with its age, if that is allowed. What is remembered and survives a restart: resolution-cache.ts.
//
// Invariants: a read that begins `freshness` or more after a put was acknowledged sees it, unless the build-index is
// away; readers of one fact share a question only when it was asked within `freshness`; "there is no such thing" is
// asked anew every time; a value is durable before anybody is told, so a restart goes back to nothing older.

import { Clock, Deferred, Effect, Exit, Option, type Scope, Semaphore } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import { limits } from "../../protocol/limits.ts"
import {
  type BuildIndexClient,
  type BuildIndexError,
  BuildIndexUnavailable
} from "../client/build-index-client.ts"
import type { Reading, RoleMetrics } from "../services/metrics.ts"
import { ImageUnavailable, ImageUnknown, type ResolvedManifest } from "../registry/image-source.ts"
import { cacheTables, type CacheUpdate, ResolutionCache, type CacheEntry } from "./resolution-cache.ts"
import type { TableStore, TableStoreError } from "../services/table-store.ts"
import { toDuration } from "../services/clock.ts"

export interface ImageResolverOptions {
  /** Made when something is asked of it. */
  readonly buildIndex: Effect.Effect<BuildIndexClient>
  readonly tables: TableStore
  readonly metrics: RoleMetrics
  /** Milliseconds; 0 asks every time. */
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
  /** Something of the repository was written: what is remembered of it must be asked anew. */
  readonly invalidate: (repository: string) => Effect.Effect<void>
}

interface Question {
  readonly repository: string
  readonly askedAt: number
  /** What became of it; what was answered is in the cache by then. */
  readonly done: Deferred.Deferred<void, BuildIndexUnavailable>
}

/** One kind of fact: how to look it up, ask for it, and tell it. */
interface Kind<Value, A> {
  readonly name: "tag" | "manifest" | "blob"
  readonly key: string
  readonly repository: string
  readonly look: (now: number) => CacheEntry<Value> | undefined
  readonly ask: (known: Value | undefined, at: number) => Effect.Effect<CacheUpdate, BuildIndexUnavailable>
  /** None when the fact is that there is no such thing. */
  readonly tell: (cached: CacheEntry<Value>) => Option.Option<A>
  readonly unknown: ImageUnknown
}

export const makeImageResolver = (
  options: ImageResolverOptions
): Effect.Effect<ImageResolver, TableStoreError, Scope.Scope> =>
  Effect.gen(function* () {
    const resolver = new CachingResolver(options, yield* Effect.scope)
    yield* resolver.restore()
    return resolver
  })

/** Methods and not closures, and tables with their first entry: a simulation has one for each of thousands of agents. */
class CachingResolver implements ImageResolver {
  readonly #options: ImageResolverOptions
  readonly #scope: Scope.Scope
  readonly #cache = new ResolutionCache()
  #asking: Map<string, Question> | undefined
  /** Repositories whose build-index did not answer, and until when it is left alone. */
  #away: Map<string, number> | undefined
  #learning: Semaphore.Semaphore | undefined
  readonly #counts = { tag: { ...nothingRead }, manifest: { ...nothingRead }, blob: { ...nothingRead } }
  readonly #older: (increment: number) => void

  constructor(options: ImageResolverOptions, scope: Scope.Scope) {
    const { metrics } = options
    this.#options = options
    this.#scope = scope
    metrics.readAll(() => [...countsToTell(this.#counts), ...sizesToTell(this.#cache)])
    this.#older = metrics.counter(
      "shoal_facts_older_total",
      "Answers of build-indexes that were older than what was known"
    )
  }

  /** Takes up what an earlier run noted. */
  restore(): Effect.Effect<void, TableStoreError> {
    const { tables } = this.#options
    return Effect.forEach(Object.values(cacheTables), (table) => restoreTable(tables, this.#cache, table), {
      discard: true
    })
  }

  tag(repository: string, name: string): Read<ResolvedManifest> {
    return this.#read({
      name: "tag",
      key: `tag ${repository} ${name}`,
      repository,
      look: (now) => this.#cache.tag(repository, name, now),
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
      tell: ({ value, age }) =>
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
      look: (now) => this.#cache.manifest(repository, digest, now),
      ask: (_, at) =>
        Effect.flatMap(
          this.#ask((index) => index.manifest(repository, digest)),
          (answer) => this.#learn(() => this.#cache.updateManifest(repository, digest, answer, at))
        ),
      tell: ({ value: { mediaType, size }, age }) =>
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
      look: (now) => this.#cache.blob(repository, digest, now),
      ask: (_, at) =>
        Effect.flatMap(
          this.#ask((index) => index.blob(repository, digest)),
          (answer) => this.#learn(() => this.#cache.updateBlob(repository, digest, answer, at))
        ),
      tell: ({ value }) => (value.gone === true ? Option.none() : Option.some(undefined)),
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

  /** Durable first, then believed. A table that fails is told of, and costs only what a restart would find. */
  #learn(compute: () => CacheUpdate): Effect.Effect<CacheUpdate> {
    this.#learning ??= Semaphore.makeUnsafe(1)
    return this.#learning.withPermit(
      Effect.gen({ self: this }, function* () {
        const update = compute()
        if (update.outcome === "older") this.#older(1)
        if (update.writes.length > 0) {
          yield* Effect.catch(this.#options.tables.write(update.writes), (error) =>
            Effect.logWarning(`what the build-index said is not kept for a restart: ${error.message}`)
          )
        }
        update.apply()
        return update
      })
    )
  }

  #setAway(repository: string, now: number): void {
    this.#away ??= new Map()
    if (this.#away.size >= limits.maxRememberedRepositories) this.#away.clear()
    const pause = Math.min(limits.staleRetryPause / 1_000, this.#options.freshness)
    this.#away.set(repository, now + pause)
  }

  /** Asks, in a fiber of the agent's: whoever waits may hang up, others wait for the same answer. */
  #question<Value, A>(kind: Kind<Value, A>, known: Value | undefined, now: number): Effect.Effect<Question> {
    return Effect.gen({ self: this }, function* () {
      this.#asking ??= new Map()
      const asking = this.#asking
      const running = asking.get(kind.key)
      if (running !== undefined && now - running.askedAt < this.#options.freshness) return running
      const asked: Question = {
        repository: kind.repository,
        askedAt: now,
        done: yield* Deferred.make<void, BuildIndexUnavailable>()
      }
      asking.set(kind.key, asked)
      const answered = kind.ask(known, now).pipe(
        Effect.onExit((exit) =>
          Effect.suspend(() => {
            if (asking.get(kind.key) === asked) asking.delete(kind.key)
            if (Exit.isSuccess(exit)) this.#away?.delete(kind.repository)
            return Deferred.done(asked.done, Exit.asVoid(exit))
          })
        ),
        Effect.exit
      )
      yield* Effect.forkIn(answered, this.#scope)
      return asked
    })
  }

  #read<Value, A>(kind: Kind<Value, A>): Read<A> {
    return Effect.gen({ self: this }, function* () {
      const { freshness, serveStale } = this.#options
      const now = yield* Clock.currentTimeMillis
      const count = this.#counts[kind.name]
      const cached = kind.look(now)
      const known = cached === undefined ? Option.none() : kind.tell(cached)
      const mayBeStale = serveStale && cached !== undefined
      if (cached !== undefined && Option.isSome(known)) {
        const isFresh = !cached.invalidated && cached.age >= 0 && cached.age < freshness
        if (isFresh) {
          count.remembered++
          return known.value
        }
      }
      const stale = Effect.suspend(() => {
        count.stale++
        return Option.isSome(known) ? Effect.succeed(known.value) : Effect.fail(kind.unknown)
      })
      if (mayBeStale && now < (this.#away?.get(kind.repository) ?? 0)) return yield* stale

      const { done } = yield* this.#question(kind, cached?.value, now)
      const answered = Deferred.await(done).pipe(
        mayBeStale
          ? Effect.timeoutOrElse({
              duration: toDuration(limits.revalidationPatience),
              orElse: () =>
                Effect.fail(new BuildIndexUnavailable({ message: "the build-index takes too long" }))
            })
          : (wait) => wait
      )
      const failure = yield* Effect.match(answered, {
        onSuccess: () => undefined,
        onFailure: (error) => error
      })
      if (failure !== undefined && mayBeStale) {
        this.#setAway(kind.repository, yield* Clock.currentTimeMillis)
        return yield* stale
      }
      if (failure !== undefined) {
        count.unavailable++
        return yield* new ImageUnavailable({ message: failure.message })
      }
      count.asked++
      const answer = kind.look(yield* Clock.currentTimeMillis)
      const told = answer === undefined ? Option.none<A>() : kind.tell(answer)
      if (Option.isNone(told)) return yield* kind.unknown
      return told.value
    })
  }

  /** What the build-index answers, or that there is none. */
  #ask<A>(
    asked: (index: BuildIndexClient) => Effect.Effect<A, BuildIndexError>
  ): Effect.Effect<A | "gone", BuildIndexUnavailable> {
    const answered: Effect.Effect<A, BuildIndexError> = Effect.flatMap(this.#options.buildIndex, asked)
    return Effect.catchTag(answered, "TagUnknown", () => Effect.succeed("gone" as const))
  }
}

/** Where answers came from. */
const nothingRead = { remembered: 0, asked: 0, stale: 0, unavailable: 0 }

const countsToTell = (counts: Readonly<Record<string, typeof nothingRead>>): ReadonlyArray<Reading> =>
  Object.entries(counts).flatMap(([fact, answers]) =>
    Object.entries(answers).map(([answer, value]) => ({
      kind: "counter",
      name: "shoal_facts_read_total",
      description: "What was read of tags, manifests and blobs, and where the answer came from",
      labels: { fact, answer },
      value
    }))
  )

const sizesToTell = (cache: ResolutionCache): ReadonlyArray<Reading> =>
  Object.entries(cache.sizes()).map(([kind, value]) => ({
    kind: "gauge",
    name: "shoal_facts",
    description: "Facts that are remembered",
    labels: { kind },
    value
  }))

const secondsOf = (millis: number): number => Math.max(0, Math.floor(millis / 1000))

const restoreTable = (
  tables: TableStore,
  cache: ResolutionCache,
  table: string
): Effect.Effect<void, TableStoreError> =>
  Effect.gen(function* () {
    let after: string | undefined
    for (;;) {
      const page = { prefix: "", limit: limits.indexScanPage, ...(after === undefined ? {} : { after }) }
      const rows = yield* tables.scan(table, page)
      cache.restore(table, rows)
      if (rows.length < limits.indexScanPage) return
      after = rows.at(-1)!.key
    }
  })
