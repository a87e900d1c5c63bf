// Decides how a role asks the build-indexes: a repository lives on one of them, chosen by rendezvous over its name, so
// that a tag has one truth. The catalog is merged from all. It refuses to know what a tag is for.
//
// Invariants: a write is acknowledged only when the repository's own build-index has it; no other one is tried. A write
// whose answer was lost is asked for again under the same operation, so it is made once.

import { Data, Effect, Option, Random, Schema } from "effect"
import { type HttpClient, HttpClientRequest } from "effect/http"
import type { Digest } from "../../protocol/wire/digest.ts"
import { ringOwners } from "../../protocol/kit/hash-ring.ts"
import { registryLimits } from "../registry/limits.ts"
import {
  History,
  type HistoryEntry,
  LinkAnswer,
  ManifestAnswer,
  type ManifestRecord,
  Names,
  References,
  Referrers,
  TagAnswer,
  tagEntity,
  type Told
} from "./build-index-records.ts"
import { describeIndexEndpoint, formatIndexPath, type IndexEndpoint } from "./build-index-wire.ts"
import type { PageRequest } from "../registry/image-source.ts"
import { type OciError, parseOciError } from "../oci/oci-error.ts"
import {
  baseUrl,
  decodeJson,
  discardBody,
  makeUpstreams,
  notHealthy,
  refusedBy,
  UpstreamFailed,
  type UpstreamResponse,
  upstreamRounds
} from "./upstreams.ts"

/** The repository's build-index says that there is no such tag, manifest, blob or repository. */
class TagUnknown extends Data.TaggedError("TagUnknown")<{ readonly message: string }> {}

/** The repository's build-index did not answer. */
export class BuildIndexUnavailable extends Data.TaggedError("BuildIndexUnavailable")<{
  readonly message: string
}> {}

/** The build-index refused a write, for a reason that the client of the registry is to be told. */
export class WriteRefused extends Data.TaggedError("WriteRefused")<{
  readonly error: OciError
  readonly message: string
}> {}

export type BuildIndexError = TagUnknown | BuildIndexUnavailable

type Read<A> = Effect.Effect<A, BuildIndexError>

export interface BuildIndexClient {
  readonly tag: (repository: string, name: string) => Read<TagAnswer>
  /** As `tag`; none when nothing changed since an earlier answer. */
  readonly tagSince: (
    repository: string,
    name: string,
    known: Told & { readonly version: number }
  ) => Read<Option.Option<TagAnswer>>
  readonly manifest: (repository: string, digest: Digest) => Read<ManifestAnswer>
  /** Whether the repository has the blob. `renew` when someone relies on the answer: it then stays for the grace. */
  readonly hasBlob: (
    repository: string,
    digest: Digest,
    renew?: "renew"
  ) => Effect.Effect<boolean, BuildIndexUnavailable>
  /** As `hasBlob`, with what else is told of a blob that is there. */
  readonly blob: (repository: string, digest: Digest) => Read<LinkAnswer>
  /** Gives the repository a blob of `size` bytes that is durable at an origin. */
  readonly link: (
    repository: string,
    digest: Digest,
    size: number
  ) => Effect.Effect<void, BuildIndexUnavailable>
  readonly unlink: (repository: string, digest: Digest) => Read<void>
  /**
   * Records the manifest in the repository and moves the tags to it, all or nothing; `by` says who. Refused with
   * MANIFEST_BLOB_UNKNOWN and the missing digests as detail when the repository lacks what it names.
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
  /** Deletes the tags that name it, too. */
  readonly deleteManifest: (
    repository: string,
    digest: Digest,
    by: string
  ) => Effect.Effect<void, BuildIndexError | WriteRefused>
  /** Manifests whose subject is this one; none is no error. */
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
  /** Why a build-index does not answer, a line each. */
  readonly notReady: Effect.Effect<ReadonlyArray<string>>
}

const decodeTag = Schema.decodeUnknownEffect(TagAnswer)
const decodeManifest = Schema.decodeUnknownEffect(ManifestAnswer)
const decodeLink = Schema.decodeUnknownEffect(LinkAnswer)
const decodeNames = Schema.decodeUnknownEffect(Names)
const decodeHistory = Schema.decodeUnknownEffect(History)
const decodeReferrers = Schema.decodeUnknownEffect(Referrers)
const decodeReferences = Schema.decodeUnknownEffect(References)

type Decode<A> = (json: unknown) => Effect.Effect<A, Schema.SchemaError>

interface Question {
  readonly params?: Readonly<Record<string, string | number | undefined>>
  readonly headers?: Readonly<Record<string, string>>
}

/** `isMirrored` names the repositories of upstream registries, for which the build-index itself may have to ask. */
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

    /** Asks until it is answered, for a bounded number of rounds. */
    const again = <A, E extends { readonly _tag: string }>(
      asked: Effect.Effect<A, E>
    ): Effect.Effect<A, Exclude<E, UpstreamFailed> | BuildIndexUnavailable> =>
      asked.pipe(Effect.retry({ while: isUnanswered, schedule: upstreamRounds(limits) }), once)

    const unknown = (endpoint: IndexEndpoint, response: UpstreamResponse) =>
      Effect.andThen(
        discardBody(response),
        Effect.fail(new TagUnknown({ message: `there is no ${describeIndexEndpoint(endpoint)}` }))
      )

    /** Asks the member at `url`; none when it answers 304. */
    const question = <A>(url: string, endpoint: IndexEndpoint, decode: Decode<A>, asked: Question = {}) => {
      const request = HttpClientRequest.get(url + formatIndexPath(endpoint), {
        urlParams: asked.params ?? {},
        headers: asked.headers ?? {}
      })
      const asksOn = "repository" in endpoint && isMirrored(endpoint.repository)
      const within = asksOn ? limits.mirrorAskTimeout : limits.askTimeout
      return (asksOn ? once : again)(
        upstreams.ask(url, request, within, (response) =>
          Effect.gen(function* () {
            if (response.status === 404) return yield* unknown(endpoint, response)
            if (response.status === 304) return yield* Effect.as(discardBody(response), Option.none<A>())
            if (response.status !== 200)
              return yield* refusedBy(url, describeIndexEndpoint(endpoint), response)
            return Option.some(yield* decodeJson(url, response, decode))
          })
        )
      )
    }

    const get = <A>(url: string, endpoint: IndexEndpoint, decode: Decode<A>, asked: Question = {}): Read<A> =>
      Effect.flatMap(question(url, endpoint, decode, asked), (answer) =>
        Option.isSome(answer)
          ? Effect.succeed(answer.value)
          : Effect.fail(
              new BuildIndexUnavailable({ message: `${url} answered 304 to a question without a condition` })
            )
      )

    /** As a read of what is always there. */
    const certain = <A>(url: string, read: Read<A>): Effect.Effect<A, BuildIndexUnavailable> =>
      Effect.catchTag(read, "TagUnknown", (error) =>
        Effect.fail(new BuildIndexUnavailable({ message: `${url}: ${error.message}` }))
      )

    /** Sends a write until it is answered, or fails with the reason of the refusal. */
    const change = (
      endpoint: IndexEndpoint & { readonly repository: string },
      request: (url: string) => HttpClientRequest.HttpClientRequest,
      onUnanswered: () => void = () => {}
    ) => {
      const url = ownerOf(endpoint.repository)
      const asked = upstreams.ask(
        url,
        request(url + formatIndexPath(endpoint)),
        limits.httpTimeout,
        (response) =>
          Effect.gen(function* () {
            if (response.status < 400) return yield* discardBody(response)
            if (response.status === 404) return yield* unknown(endpoint, response)
            const text = yield* response.text
            const error = parseOciError(response.status, text)
            if (error !== undefined) return yield* new WriteRefused({ error, message: error.message })
            const what = `${url} refused ${describeIndexEndpoint(endpoint)} with ${response.status}: ${text.slice(0, 300)}`
            return yield* new UpstreamFailed({ url, message: what })
          })
      )
      return again(Effect.tapErrorTag(asked, "UpstreamFailed", () => Effect.sync(onUnanswered)))
    }

    const put = (
      endpoint: IndexEndpoint & { readonly repository: string },
      body: object
    ): Effect.Effect<void, BuildIndexUnavailable | WriteRefused> =>
      Effect.catchTag(
        change(endpoint, (url) => HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.put(url), body)),
        "TagUnknown",
        (error) => Effect.fail(new BuildIndexUnavailable({ message: `a put was answered: ${error.message}` }))
      )

    /** A deletion whose answer was lost, and that finds nothing when it is asked for again, was made. */
    const remove = (endpoint: IndexEndpoint & { readonly repository: string }, by: string | undefined) =>
      Effect.gen(function* () {
        const urlParams =
          by === undefined
            ? {}
            : { by: by.slice(0, registryLimits.maxChangedByLength), operation: yield* operation }
        let lost = false
        yield* change(
          endpoint,
          (url) => HttpClientRequest.delete(url, { urlParams }),
          () => {
            lost = true
          }
        ).pipe(
          Effect.catchIf(
            (error) => error._tag === "TagUnknown" && lost,
            () => Effect.void
          )
        )
      })

    const pageParams = (page: PageRequest) => ({ n: page.limit, last: page.last })
    const operation = Effect.map(Random.nextInt, String)

    const hasBlob: BuildIndexClient["hasBlob"] = (repository, digest, renew) =>
      get(ownerOf(repository), { tag: "Link", repository, digest }, Effect.succeed, {
        params: { renew: renew === undefined ? undefined : "1" }
      }).pipe(
        Effect.as(true),
        Effect.catchTag("TagUnknown", () => Effect.succeed(false))
      )

    const referencedAt = (url: string, digests: ReadonlyArray<Digest>) => {
      const request = HttpClientRequest.post(url + formatIndexPath({ tag: "References" })).pipe(
        HttpClientRequest.bodyJsonUnsafe({ digests })
      )
      return again(
        upstreams.ask(url, request, limits.httpTimeout, (response) =>
          response.status === 200
            ? decodeJson(url, response, decodeReferences)
            : refusedBy(url, "a question for references", response)
        )
      )
    }

    return {
      tag: (repository, name) => get(ownerOf(repository), { tag: "Tag", repository, name }, decodeTag),
      tagSince: (repository, name, known) =>
        question(ownerOf(repository), { tag: "Tag", repository, name }, decodeTag, {
          headers: { "if-none-match": tagEntity(known) }
        }),
      manifest: (repository, digest) =>
        get(ownerOf(repository), { tag: "Manifest", repository, digest }, decodeManifest),
      hasBlob,
      blob: (repository, digest) => get(ownerOf(repository), { tag: "Link", repository, digest }, decodeLink),
      link: (repository, digest, size) =>
        Effect.catchTag(put({ tag: "Link", repository, digest }, { size }), "WriteRefused", (refused) =>
          Effect.fail(new BuildIndexUnavailable({ message: `a link was refused: ${refused.message}` }))
        ),
      unlink: (repository, digest) =>
        Effect.catchTag(remove({ tag: "Link", repository, digest }, undefined), "WriteRefused", (refused) =>
          Effect.fail(new BuildIndexUnavailable({ message: `a deletion was refused: ${refused.message}` }))
        ),
      putManifest: (repository, record, tags, by) =>
        Effect.flatMap(operation, (id) =>
          put(
            { tag: "Manifest", repository, digest: record.digest },
            { record, tags, by: by.slice(0, registryLimits.maxChangedByLength), operation: id }
          )
        ),
      deleteTag: (repository, name, by) => remove({ tag: "Tag", repository, name }, by),
      deleteManifest: (repository, digest, by) => remove({ tag: "Manifest", repository, digest }, by),
      referrers: (repository, subject, page, artifactType) => {
        const url = ownerOf(repository)
        const endpoint = { tag: "Referrers", repository, digest: subject } as const
        return certain(
          url,
          get(url, endpoint, decodeReferrers, { params: { ...pageParams(page), artifactType } })
        )
      },
      history: (repository, name) =>
        Effect.map(
          get(ownerOf(repository), { tag: "History", repository, name }, decodeHistory),
          ({ history }) => history
        ),
      tags: (repository, page) =>
        Effect.map(
          get(ownerOf(repository), { tag: "Tags", repository }, decodeNames, { params: pageParams(page) }),
          ({ names }) => names
        ),
      repositories: (page) =>
        Effect.forEach(
          members,
          (url) => certain(url, get(url, { tag: "Repositories" }, decodeNames, { params: pageParams(page) })),
          { concurrency: limits.maxParallelAsks }
        ).pipe(Effect.map((pages) => mergeSorted(pages.flatMap(({ names }) => names)).slice(0, page.limit))),
      referenced: (digests) =>
        Effect.gen(function* () {
          const found = new Set<Digest>()
          for (let start = 0; start < digests.length; start += limits.maxReferencesAsked) {
            const asked = digests.slice(start, start + limits.maxReferencesAsked)
            const answers = yield* Effect.forEach(members, (url) => referencedAt(url, asked), {
              concurrency: limits.maxParallelAsks
            })
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

/** Each name once, in UTF-16 order, the order of the tables. */
const mergeSorted = (names: ReadonlyArray<string>): ReadonlyArray<string> =>
  [...new Set(names)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
