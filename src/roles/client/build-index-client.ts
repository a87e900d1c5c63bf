// The client of the build-indexes: a repository lives on one of them, chosen by rendezvous over its name, so that a
// tag has one truth. The catalog is merged from all. It does not know what a tag is for.
//
// Invariants: a write is acknowledged only when the repository's own build-index has it; no other one is tried. A
// write whose answer was lost is repeated under the same operation, so it is made once.

import { Data, Effect, Option, Random } from "effect"
import type { HttpClient } from "effect/http"
import { ringOwners } from "../../protocol/kit/hash-ring.ts"
import type { Micros } from "../../protocol/kit/time.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { entityTag } from "../oci/entity-tag.ts"
import type { OciError } from "../oci/oci-error.ts"
import type { PageRequest } from "../registry/image-source.ts"
import { apiClient } from "./api-client.ts"
import { BuildIndexApi, names } from "./build-index-api.ts"
import {
  authorOf,
  type HistoryEntry,
  type LinkAnswer,
  type ManifestAnswer,
  type ManifestRecord,
  type Referrers,
  type RepositoryState,
  type TagAnswer,
  tagStateName
} from "./build-index-records.ts"
import {
  baseUrl,
  inRounds,
  makeUpstreams,
  notHealthy,
  type Question,
  refusal,
  type TransportError,
  type UpstreamFailed
} from "./upstreams.ts"

/** The repository's build-index says that there is no such tag, manifest, blob or repository. */
class TagUnknown extends Data.TaggedError("TagUnknown")<{ readonly message: string }> {}

/** The repository's build-index did not answer. */
export class BuildIndexUnavailable extends Data.TaggedError("BuildIndexUnavailable")<{
  readonly message: string
}> {}

/** The build-index refused a write for a reason that the client of the registry should get. */
export class WriteRefused extends Data.TaggedError("WriteRefused")<{
  readonly error: OciError
  readonly message: string
}> {}

export type BuildIndexError = TagUnknown | BuildIndexUnavailable

type Read<A> = Effect.Effect<A, BuildIndexError>

export interface BuildIndexClient {
  readonly tag: (repository: string, name: string) => Read<TagAnswer>
  /** Like `tag`; none when nothing changed since an earlier answer. */
  readonly tagSince: (
    repository: string,
    name: string,
    known: RepositoryState & { readonly version: number }
  ) => Read<Option.Option<TagAnswer>>
  readonly manifest: (repository: string, digest: Digest) => Read<ManifestAnswer>
  /**
   * Whether the repository has the blob. With `renew` the caller relies on the answer, and the blob stays for the
   * grace.
   */
  readonly hasBlob: (
    repository: string,
    digest: Digest,
    renew?: "renew"
  ) => Effect.Effect<boolean, BuildIndexUnavailable>
  /** Like `hasBlob`, with the accompanying state when the blob is there. */
  readonly blob: (repository: string, digest: Digest) => Read<LinkAnswer>
  /** Gives the repository a blob of `size` bytes that is durable at an origin. */
  readonly link: (
    repository: string,
    digest: Digest,
    size: number
  ) => Effect.Effect<void, BuildIndexUnavailable>
  readonly unlink: (repository: string, digest: Digest) => Read<void>
  /**
   * Records the manifest in the repository and moves the tags to it, all or nothing; `by` names the client. When the
   * repository lacks named contents, it is refused with MANIFEST_BLOB_UNKNOWN and the missing digests as detail.
   */
  readonly putManifest: (
    repository: string,
    record: ManifestRecord,
    tags: ReadonlyArray<string>,
    by: string
  ) => Effect.Effect<void, WriteRefused | BuildIndexUnavailable>
  readonly deleteTag: (
    repository: string,
    name: string,
    by: string
  ) => Effect.Effect<void, BuildIndexError | WriteRefused>
  /** Also deletes the tags that name it. */
  readonly deleteManifest: (
    repository: string,
    digest: Digest,
    by: string
  ) => Effect.Effect<void, BuildIndexError | WriteRefused>
  /** Manifests whose subject is this one. An empty list is no error. */
  readonly referrers: (
    repository: string,
    subject: Digest,
    page: PageRequest,
    artifactType?: string
  ) => Effect.Effect<Referrers, BuildIndexUnavailable>
  /** The tag's last changes, last first. */
  readonly history: (repository: string, tag: string) => Read<ReadonlyArray<HistoryEntry>>
  /** Sorted names greater than `last`; TagUnknown when there is no such repository. */
  readonly tags: (repository: string, page: PageRequest) => Read<ReadonlyArray<string>>
  /** Sorted, over all build-indexes. */
  readonly repositories: (page: PageRequest) => Effect.Effect<ReadonlyArray<string>, BuildIndexUnavailable>
  /** Those of the digests that any repository links or names. Fails unless every build-index answered. */
  readonly referenced: (
    digests: ReadonlyArray<Digest>
  ) => Effect.Effect<ReadonlySet<Digest>, BuildIndexUnavailable>
  /** Reasons why build-indexes do not answer, one line each. */
  readonly notReady: Effect.Effect<ReadonlyArray<string>>
}

const api = apiClient(BuildIndexApi)

type Ask<A> = Question<A, OciError | TransportError>

/** `isMirrored` recognises repositories of upstream registries, for which the build-index itself may have to ask. */
export const makeBuildIndexClient = (
  buildIndexes: ReadonlyArray<string>,
  isMirrored: (repository: string) => boolean = () => false
): Effect.Effect<BuildIndexClient, never, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const members = buildIndexes.map(baseUrl)
    const upstreams = yield* makeUpstreams
    const { limits } = upstreams
    const ownerOf = (repository: string): string => ringOwners(repository, members, 1)[0]!

    const unavailable = (error: UpstreamFailed): BuildIndexUnavailable =>
      new BuildIndexUnavailable({ message: `the build-index does not answer: ${error.message}` })

    const isUnanswered = (error: { readonly _tag: string }): error is UpstreamFailed =>
      error._tag === "UpstreamFailed"

    const once = <A, E extends { readonly _tag: string }>(
      asked: Effect.Effect<A, E>
    ): Effect.Effect<A, Exclude<E, UpstreamFailed> | BuildIndexUnavailable> =>
      Effect.mapError(asked, (error) =>
        isUnanswered(error) ? unavailable(error) : (error as Exclude<E, UpstreamFailed>)
      )

    /** Repeats a request until it is answered, for a bounded number of rounds. */
    const again = <A, E extends { readonly _tag: string }>(
      asked: Effect.Effect<A, E>
    ): Effect.Effect<A, Exclude<E, UpstreamFailed> | BuildIndexUnavailable> =>
      once(inRounds(limits, isUnanswered)(asked))

    const unknown = (what: string) => new TagUnknown({ message: `there is no ${what}` })

    /** Asks the member at `url` about `what`. */
    const get = <A>(url: string, what: string, within: Micros, asked: Ask<A>) =>
      Effect.mapError(upstreams.call(url, within, asked), (error) => {
        if (error._tag !== "OciError") return error
        return error.status === 404 ? unknown(what) : refusal(url, what, error)
      })

    /** Asks the build-index of a repository, which may have to ask an upstream registry itself. */
    const getOf = <A>(repository: string, what: string, asked: Ask<A>): Read<A> =>
      isMirrored(repository)
        ? once(get(ownerOf(repository), what, limits.mirrorAskTimeout, asked))
        : again(get(ownerOf(repository), what, limits.askTimeout, asked))

    /** Asks every build-index for its own part. */
    const getOfAll = <A>(what: string, within: Micros, asked: Ask<A>) =>
      Effect.forEach(members, (url) => certain(url, again(get(url, what, within, asked))), {
        concurrency: limits.maxParallelAsks
      })

    /** A read of something that always exists. */
    const certain = <A>(url: string, read: Read<A>): Effect.Effect<A, BuildIndexUnavailable> =>
      Effect.catchTag(read, "TagUnknown", (error) =>
        Effect.fail(new BuildIndexUnavailable({ message: `${url}: ${error.message}` }))
      )

    /** Sends a write until it is answered, or fails with the reason of the refusal. */
    const change = (
      repository: string,
      what: string,
      asked: Ask<unknown>,
      onUnanswered: () => void = () => {}
    ) => {
      const sent = Effect.mapError(
        upstreams.call(ownerOf(repository), limits.httpTimeout, asked),
        (error) => {
          if (error._tag !== "OciError") return error
          return error.status === 404 ? unknown(what) : new WriteRefused({ error, message: error.message })
        }
      )
      return again(Effect.tapErrorTag(sent, "UpstreamFailed", () => Effect.sync(onUnanswered)))
    }

    const put = (repository: string, what: string, asked: Ask<unknown>) =>
      Effect.catchTag(Effect.asVoid(change(repository, what, asked)), "TagUnknown", (error) =>
        Effect.fail(new BuildIndexUnavailable({ message: `a put was answered: ${error.message}` }))
      )

    /** A repeated deletion that finds nothing was made by the request whose answer was lost. */
    const remove = (repository: string, what: string, asked: Ask<unknown>) =>
      Effect.suspend(() => {
        let lost = false
        return change(repository, what, asked, () => {
          lost = true
        }).pipe(
          Effect.catchIf(
            (error) => error._tag === "TagUnknown" && lost,
            () => Effect.void
          ),
          Effect.asVoid
        )
      })

    const pageOf = (page: PageRequest) => ({
      n: String(page.limit),
      ...(page.last === undefined ? {} : { last: page.last })
    })
    /** The author of a change, and the name under which it is made once. */
    const changeBy = (by: string) =>
      Effect.map(Random.nextInt, (operation) => ({
        by: authorOf(by),
        operation: String(operation)
      }))

    const tagSince: BuildIndexClient["tagSince"] = (repository, tag, known) => {
      const params = { repository, tag }
      const headers = { "if-none-match": entityTag(tagStateName(known)) }
      return Effect.map(getOf(repository, names.tag(params), api.tag.get({ params, headers })), (answer) =>
        Option.fromUndefinedOr(answer ?? undefined)
      )
    }

    const blob = (repository: string, digest: Digest, query: { readonly renew?: string }) => {
      const params = { repository, digest }
      return getOf(repository, names.blob(params), api.link.get({ params, query }))
    }

    return {
      tag: (repository, tag) => {
        const params = { repository, tag }
        const what = names.tag(params)
        return Effect.flatMap(getOf(repository, what, api.tag.get({ params, headers: {} })), (answer) =>
          answer === undefined
            ? Effect.fail(
                new BuildIndexUnavailable({ message: `${what}: 304 is the answer to no condition` })
              )
            : Effect.succeed(answer)
        )
      },
      tagSince,
      manifest: (repository, digest) => {
        const params = { repository, digest }
        return getOf(repository, names.manifest(params), api.manifest.get({ params }))
      },
      hasBlob: (repository, digest, renew) =>
        blob(repository, digest, renew === undefined ? {} : { renew: "1" }).pipe(
          Effect.as(true),
          Effect.catchTag("TagUnknown", () => Effect.succeed(false))
        ),
      blob: (repository, digest) => blob(repository, digest, {}),
      link: (repository, digest, size) => {
        const params = { repository, digest }
        return Effect.catchTag(
          put(repository, names.blob(params), api.link.put({ params, payload: { size } })),
          "WriteRefused",
          (refusal) =>
            Effect.fail(new BuildIndexUnavailable({ message: `a link was refused: ${refusal.message}` }))
        )
      },
      unlink: (repository, digest) => {
        const params = { repository, digest }
        return Effect.catchTag(
          remove(repository, names.blob(params), api.link.delete({ params })),
          "WriteRefused",
          (refusal) =>
            Effect.fail(new BuildIndexUnavailable({ message: `a deletion was refused: ${refusal.message}` }))
        )
      },
      putManifest: (repository, record, tags, by) =>
        Effect.flatMap(changeBy(by), (who) => {
          const params = { repository, digest: record.digest }
          const payload = { ...who, record, tags }
          return put(repository, names.manifest(params), api.manifest.put({ params, payload }))
        }),
      deleteTag: (repository, tag, by) =>
        Effect.flatMap(changeBy(by), (query) => {
          const params = { repository, tag }
          return remove(repository, names.tag(params), api.tag.delete({ params, query }))
        }),
      deleteManifest: (repository, digest, by) =>
        Effect.flatMap(changeBy(by), (query) => {
          const params = { repository, digest }
          return remove(repository, names.manifest(params), api.manifest.delete({ params, query }))
        }),
      referrers: (repository, digest, page, artifactType) => {
        const params = { repository, digest }
        const query = { ...pageOf(page), ...(artifactType === undefined ? {} : { artifactType }) }
        return certain(
          ownerOf(repository),
          getOf(repository, names.manifest(params), api.referrers.get({ params, query }))
        )
      },
      history: (repository, tag) => {
        const params = { repository, tag }
        return Effect.map(
          getOf(repository, names.tag(params), api.history.get({ params })),
          ({ history }) => history
        )
      },
      tags: (repository, page) => {
        const params = { repository }
        return Effect.map(
          getOf(repository, names.repository(params), api.tags.list({ params, query: pageOf(page) })),
          (answer) => answer.names
        )
      },
      repositories: (page) =>
        Effect.map(
          getOfAll("list of repositories", limits.askTimeout, api.repositories.list({ query: pageOf(page) })),
          (pages) => mergeSorted(pages.flatMap((answer) => answer.names)).slice(0, page.limit)
        ),
      referenced: (digests) =>
        Effect.gen(function* () {
          const found = new Set<Digest>()
          for (let start = 0; start < digests.length; start += limits.maxReferencesAsked) {
            const payload = { digests: digests.slice(start, start + limits.maxReferencesAsked) }
            const answers = yield* getOfAll(
              "list of references",
              limits.httpTimeout,
              api.references.find({ payload })
            )
            for (const answer of answers) for (const digest of answer.digests) found.add(digest)
          }
          return found
        }),
      notReady: Effect.map(
        Effect.forEach(members, (url) => notHealthy(upstreams, url), {
          concurrency: limits.maxParallelAsks
        }),
        (reports) => reports.flat()
      )
    }
  })

/** Each name once, in UTF-16 order, which is the order of the tables. */
const mergeSorted = (names: ReadonlyArray<string>): ReadonlyArray<string> =>
  [...new Set(names)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
