// The answers of a build-index for repositories of upstream registries: from its tables while they are fresh, else
// after a request to the upstream, and from its tables again when the upstream is unreachable. Other repositories are
// not affected.
//
//   tag        fresh -> stored
//              stale -> HEAD at the upstream, one for all concurrent requests
//                         same digest: stored, confirmed   other digest: manifest fetched, tag moved
//                         404: the tag is dropped          401, 403: unknown, and nothing changes
//                         away: stored, with its age       away and nothing stored: UpstreamAway
//   manifest   stored, or fetched by its digest
//   blob       named by a stored manifest, or linked after a HEAD; origins have its bytes (origin-mirror.ts)
//
// Invariants: a manifest's bytes are durable at an origin before it is recorded; requests go only to upstreams of the
// configuration's closed list; an answer comes within upstreamResolveTimeout.

import { Clock, Effect, Exit, Option, Random, Stream } from "effect"
import { BoundedMap } from "../../protocol/kit/bounded-map.ts"
import { milliseconds } from "../../protocol/kit/time.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import {
  type LinkAnswer,
  type ManifestAnswer,
  manifestRecord,
  type Referrer,
  type TagAnswer
} from "../client/build-index-records.ts"
import type { OriginClient } from "../client/origin-client.ts"
import { isManifestRefused, parseManifest } from "../oci/manifest.ts"
import type { ManifestReference } from "../oci/repository-path.ts"
import { toDuration } from "../services/clock.ts"
import { makeExpiringCache } from "../services/expiring-cache.ts"
import type { TableStoreError } from "../services/table-store.ts"
import { UpstreamLimits } from "../upstream/limits.ts"
import { UpstreamAway, type UpstreamError, UpstreamLacks } from "../upstream/upstream-errors.ts"
import type { MirroredRepository, UpstreamRegistries } from "../upstream/upstream-registries.ts"
import type { BuildIndexChanges } from "./build-index-changes.ts"
import { type BuildIndexStore, fallbackTag } from "./build-index-store.ts"
import { BuildIndexLimits } from "./limits.ts"

type Failure = UpstreamError | TableStoreError

export interface MirroredIndexOptions {
  readonly index: BuildIndexStore
  readonly changes: BuildIndexChanges
  readonly upstreams: UpstreamRegistries
  readonly origins: OriginClient
}

export const makeMirroredIndex = (
  options: MirroredIndexOptions
): Effect.Effect<BuildIndexStore<UpstreamAway>> =>
  Effect.gen(function* () {
    const { index, changes, upstreams, origins } = options
    const { maxConfirmedTags, upstreamResolveTimeout } = yield* BuildIndexLimits
    const { maxUpstreamAnswers, upstreamLacksLifetime } = yield* UpstreamLimits
    /**
     * Time of the upstream's last confirmation of a tag, in milliseconds, oldest first. It is lost at a restart, and
     * the upstream is asked again.
     */
    const confirmed = new BoundedMap<string, number>(maxConfirmedTags)

    const confirm = (key: string, at: number): void => {
      confirmed.set(key, at)
    }

    const inTime = <A, E>(what: string, asked: Effect.Effect<A, E>) =>
      Effect.timeoutOrElse(asked, {
        duration: toDuration(upstreamResolveTimeout),
        orElse: () =>
          Effect.fail(
            new UpstreamAway({
              message: `${what} could not be had within ${upstreamResolveTimeout / 1_000_000} s`
            })
          )
      })

    /** Fetches a manifest, makes it durable at the origins, and records it in the repository, under `tags`. */
    const adopt = (
      repository: string,
      { registry, remote }: MirroredRepository,
      reference: ManifestReference,
      tags: ReadonlyArray<string>
    ): Effect.Effect<void, Failure> =>
      Effect.gen(function* () {
        const { digest, bytes, mediaType } = yield* registry.manifest(remote, reference)
        const content = parseManifest(bytes, mediaType)
        if (isManifestRefused(content)) {
          return yield* new UpstreamLacks({
            denied: true,
            message: `${digest} of ${registry.name} cannot be mirrored: ${content.reason}`
          })
        }
        const body = { length: bytes.byteLength, bytes: Stream.succeed(bytes) }
        const kept = manifestRecord(digest, bytes.byteLength, content)
        yield* origins
          .put(repository, digest, body, record(repository, registry.name, kept, tags))
          .pipe(
            Effect.mapError((error) =>
              error._tag === "TableStoreError"
                ? error
                : new UpstreamAway({ message: `no origin took the manifest ${digest}: ${error.message}` })
            )
          )
      })

    const record = (
      repository: string,
      upstream: string,
      manifest: ReturnType<typeof manifestRecord>,
      tags: ReadonlyArray<string>
    ) =>
      Effect.gen(function* () {
        const operation = String(yield* Random.nextInt)
        const put = { by: `upstream ${upstream}`, operation, record: manifest, tags }
        yield* changes
          .putManifest(repository, put, "elsewhere")
          .pipe(Effect.catchTags({ ContentMissing: Effect.die, TagImmutable: Effect.die }))
      })

    /** Updates the tag's row to the upstream's present answer. */
    const revalidate = (repository: string, name: string, mirrored: MirroredRepository) =>
      Effect.gen(function* () {
        const { registry, remote } = mirrored
        const reference: ManifestReference = { tag: "Tag", name }
        const digest = yield* registry.head(remote, reference)
        const kept = yield* index.tag(repository, name)
        const isSame = Option.isSome(kept) && kept.value.digest === digest
        if (!isSame) {
          const known = digest === undefined ? Option.none() : yield* index.manifest(repository, digest)
          yield* Option.isSome(known)
            ? record(repository, registry.name, known.value, [name])
            : adopt(repository, mirrored, digest === undefined ? reference : { tag: "Digest", digest }, [
                name
              ])
        }
        confirm(`${repository} ${name}`, yield* Clock.currentTimeMillis)
      })

    const drop = (repository: string, name: string, upstream: string) =>
      Effect.gen(function* () {
        const operation = String(yield* Random.nextInt)
        yield* changes
          .deleteTag(repository, name, { by: `upstream ${upstream}`, operation })
          .pipe(Effect.catchTags({ NotFound: () => Effect.void, TagImmutable: () => Effect.void }))
      })

    const lifetime = (result: Exit.Exit<void, Failure>) =>
      // An unknown name is not looked up again at once. A known name has its own freshness.
      Exit.isFailure(result) && isLacks(result) ? upstreamLacksLifetime : 0

    const split = (key: string): readonly [string, string] => {
      const space = key.indexOf(" ")
      return [key.slice(0, space), key.slice(space + 1)]
    }

    /** By "{repository} {tag}". */
    const revalidations = yield* makeExpiringCache(
      (key: string): Effect.Effect<void, Failure> => {
        const [repository, name] = split(key)
        return inTime(`${repository}:${name}`, revalidate(repository, name, upstreams.of(repository)!))
      },
      { capacity: maxUpstreamAnswers, lifetime }
    )

    /** By "{repository} {digest}". */
    const fetches = yield* makeExpiringCache(
      (key: string): Effect.Effect<void, Failure> => {
        const [repository, digest] = split(key) as [string, Digest]
        return inTime(
          `${repository}@${digest}`,
          adopt(repository, upstreams.of(repository)!, { tag: "Digest", digest }, [])
        )
      },
      { capacity: maxUpstreamAnswers, lifetime }
    )

    const tag = (repository: string, name: string, { registry, freshness }: MirroredRepository) =>
      Effect.gen(function* () {
        const key = `${repository} ${name}`
        const kept = yield* index.tag(repository, name)
        const now = yield* Clock.currentTimeMillis
        const at = confirmed.get(key)
        if (Option.isSome(kept) && at !== undefined && milliseconds(now - at) < freshness) {
          return Option.some(aged(kept.value, now - at))
        }
        const asked = yield* Effect.result(revalidations.get(key))
        if (asked._tag === "Success") {
          return Option.map(yield* index.tag(repository, name), (found) => aged(found, 0))
        }
        const error = asked.failure
        if (error._tag === "TableStoreError") return yield* error
        if (error._tag === "UpstreamLacks") {
          if (Option.isSome(kept) && !error.denied) yield* drop(repository, name, registry.name)
          return Option.none()
        }
        if (Option.isNone(kept)) return yield* error
        yield* Effect.logWarning("a tag is served as it was last known:", error.message).pipe(
          Effect.annotateLogs({ repository, tag: name })
        )
        return Option.some(aged(kept.value, now - (at ?? kept.value.changedAt)))
      })

    const manifest = (repository: string, digest: Digest) =>
      Effect.gen(function* () {
        const kept = yield* index.manifest(repository, digest)
        if (Option.isSome(kept)) return kept
        return yield* fetches.get(`${repository} ${digest}`).pipe(
          Effect.andThen(index.manifest(repository, digest)),
          Effect.catchTag("UpstreamLacks", () => Effect.succeed(Option.none<ManifestAnswer>()))
        )
      })

    const blob = (repository: string, digest: Digest, { registry, remote }: MirroredRepository) =>
      Effect.gen(function* () {
        const kept = yield* index.blob(repository, digest)
        if (Option.isSome(kept)) return kept
        const length = yield* inTime(`${repository}@${digest}`, registry.blobLength(remote, digest))
        const state = yield* index.state(repository)
        if (length !== undefined) yield* changes.link(repository, digest, length)
        return Option.some(state)
      }).pipe(Effect.catchTag("UpstreamLacks", () => Effect.succeed(Option.none<LinkAnswer>())))

    const referrers: BuildIndexStore<UpstreamAway>["referrers"] = (
      repository,
      subject,
      page,
      artifactType
    ) => {
      const mirrored = upstreams.of(repository)
      if (mirrored === undefined) return index.referrers(repository, subject, page, artifactType)
      return Effect.gen(function* () {
        const asked = yield* Effect.result(
          inTime(`the referrers of ${subject}`, mirrored.registry.referrers(mirrored.remote, subject))
        )
        if (asked._tag === "Success") return pageOf(asked.success, page, artifactType)
        if (asked.failure._tag === "UpstreamAway") return yield* asked.failure
        const fallback = yield* tag(repository, fallbackTag(subject), mirrored)
        return Option.isSome(fallback)
          ? { referrers: [], more: false, fallback: fallback.value }
          : { referrers: [], more: false }
      })
    }

    return {
      ...index,
      tag: (repository, name) => {
        const mirrored = upstreams.of(repository)
        return mirrored === undefined ? index.tag(repository, name) : tag(repository, name, mirrored)
      },
      manifest: (repository, digest) =>
        upstreams.of(repository) === undefined
          ? index.manifest(repository, digest)
          : manifest(repository, digest),
      blob: (repository, digest) => {
        const mirrored = upstreams.of(repository)
        return mirrored === undefined ? index.blob(repository, digest) : blob(repository, digest, mirrored)
      },
      referrers,
      tags: (repository, page) => {
        const mirrored = upstreams.of(repository)
        if (mirrored === undefined) return index.tags(repository, page)
        return Effect.catch(
          Effect.map(inTime("tags", mirrored.registry.tags(mirrored.remote, page)), Option.some),
          () => index.tags(repository, page)
        )
      }
    }
  })

const isLacks = (exit: Exit.Failure<void, Failure>): boolean =>
  exit.cause.reasons.some((reason) => reason._tag === "Fail" && reason.error._tag === "UpstreamLacks")

const aged = (record: TagAnswer, age: number): TagAnswer => ({
  ...record,
  age: Math.max(0, Math.floor(age / 1000))
})

/** The referrers after `last`, by digest, up to the size of the page. */
const pageOf = (
  all: ReadonlyArray<Referrer>,
  { last, limit }: { readonly last?: string; readonly limit: number },
  artifactType: string | undefined
) => {
  const wanted = all
    .filter((referrer) => artifactType === undefined || referrer.artifactType === artifactType)
    .filter(({ digest }) => last === undefined || digest > last)
    .sort((one, other) => (one.digest < other.digest ? -1 : 1))
  return { referrers: wanted.slice(0, limit), more: wanted.length > limit }
}
