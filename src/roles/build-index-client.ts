// Decides how a role asks the build-indexes: a repository lives on one of them, chosen by rendezvous over its name, so
// that a tag has one truth. The catalog is merged from all. It refuses to know what a tag is for.
//
// Invariant: a write is acknowledged only when the repository's own build-index has it; no other one is tried.

import { Data, Effect, Schema } from "effect"
import { type HttpClient, HttpClientRequest } from "effect/http"
import type { Digest } from "../protocol/digest.ts"
import { ringOwners } from "../protocol/hash-ring.ts"
import { limits } from "../protocol/limits.ts"
import { formatIndexPath, type IndexEndpoint, ManifestRecord, Names } from "./build-index-wire.ts"
import type { PageRequest } from "./registry/image-source.ts"
import {
  baseUrl,
  decodeJson,
  dropBody,
  makeUpstreams,
  notHealthy,
  refusedBy,
  type UpstreamFailed,
  upstreamRounds
} from "./upstreams.ts"

/** The repository's build-index says that there is no such tag, manifest or repository. */
export class TagUnknown extends Data.TaggedError("TagUnknown")<{ readonly message: string }> {}

/** The repository's build-index did not answer. */
export class BuildIndexUnavailable extends Data.TaggedError("BuildIndexUnavailable")<{
  readonly message: string
}> {}

export type BuildIndexError = TagUnknown | BuildIndexUnavailable

export interface BuildIndexClient {
  readonly tag: (repository: string, name: string) => Effect.Effect<ManifestRecord, BuildIndexError>
  readonly manifest: (repository: string, digest: Digest) => Effect.Effect<ManifestRecord, BuildIndexError>
  /** Moves the tag, and records the manifest in the repository. */
  readonly putTag: (
    repository: string,
    name: string,
    record: ManifestRecord
  ) => Effect.Effect<void, BuildIndexUnavailable>
  readonly putManifest: (
    repository: string,
    record: ManifestRecord
  ) => Effect.Effect<void, BuildIndexUnavailable>
  /** Sorted names greater than `last`; TagUnknown when there is no such repository. */
  readonly tags: (
    repository: string,
    page: PageRequest
  ) => Effect.Effect<ReadonlyArray<string>, BuildIndexError>
  /** Sorted, over all build-indexes. */
  readonly repositories: (page: PageRequest) => Effect.Effect<ReadonlyArray<string>, BuildIndexUnavailable>
  /** Why a build-index does not answer, a line each. */
  readonly notReady: Effect.Effect<ReadonlyArray<string>>
}

const decodeRecord = Schema.decodeUnknownEffect(ManifestRecord)
const decodeNames = Schema.decodeUnknownEffect(Names)

export const makeBuildIndexClient = (
  buildIndexes: ReadonlyArray<string>
): Effect.Effect<BuildIndexClient, never, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const members = buildIndexes.map(baseUrl)
    const upstreams = yield* makeUpstreams
    const ownerOf = (repository: string): string => ringOwners(repository, members, 1)[0]!

    const unavailable = (error: UpstreamFailed): BuildIndexUnavailable =>
      new BuildIndexUnavailable({ message: `the build-index does not answer: ${error.message}` })

    const get = <A>(
      url: string,
      endpoint: IndexEndpoint,
      page: PageRequest | undefined,
      decode: (json: unknown) => Effect.Effect<A, Schema.SchemaError>
    ): Effect.Effect<A, BuildIndexError> => {
      const params = page === undefined ? {} : { n: page.limit, last: page.last }
      const request = HttpClientRequest.get(url + formatIndexPath(endpoint), { urlParams: params })
      return upstreams
        .ask(url, request, limits.askTimeout, (response) =>
          Effect.gen(function* () {
            if (response.status === 404) {
              yield* dropBody(response)
              return yield* new TagUnknown({ message: `there is no ${describe(endpoint)}` })
            }
            if (response.status !== 200) return yield* refusedBy(url, describe(endpoint), response)
            return yield* decodeJson(url, response, decode)
          })
        )
        .pipe(
          Effect.retry({ while: (error) => error._tag === "UpstreamFailed", schedule: upstreamRounds }),
          Effect.mapError((error) => (error._tag === "UpstreamFailed" ? unavailable(error) : error))
        )
    }

    const put = (repository: string, endpoint: IndexEndpoint, record: ManifestRecord) => {
      const url = ownerOf(repository)
      const request = HttpClientRequest.put(url + formatIndexPath(endpoint)).pipe(
        HttpClientRequest.bodyJsonUnsafe(record)
      )
      return upstreams
        .ask(url, request, limits.askTimeout, (response) =>
          response.status === 201 ? dropBody(response) : refusedBy(url, describe(endpoint), response)
        )
        .pipe(Effect.retry({ schedule: upstreamRounds }), Effect.mapError(unavailable))
    }

    return {
      tag: (repository, name) =>
        get(ownerOf(repository), { tag: "Tag", repository, name }, undefined, decodeRecord),
      manifest: (repository, digest) =>
        get(ownerOf(repository), { tag: "Manifest", repository, digest }, undefined, decodeRecord),
      putTag: (repository, name, record) => put(repository, { tag: "Tag", repository, name }, record),
      putManifest: (repository, record) =>
        put(repository, { tag: "Manifest", repository, digest: record.digest }, record),
      tags: (repository, page) =>
        Effect.map(
          get(ownerOf(repository), { tag: "Tags", repository }, page, decodeNames),
          ({ names }) => names
        ),
      repositories: (page) =>
        Effect.forEach(
          members,
          (url) =>
            Effect.catchTag(get(url, { tag: "Repositories" }, page, decodeNames), "TagUnknown", (error) =>
              Effect.fail(new BuildIndexUnavailable({ message: `${url} has no catalog: ${error.message}` }))
            ),
          { concurrency: limits.maxParallelAsks }
        ).pipe(Effect.map((pages) => mergeSorted(pages.flatMap(({ names }) => names)).slice(0, page.limit))),
      notReady: Effect.map(
        Effect.forEach(members, (url) => notHealthy(upstreams, url), { concurrency: limits.maxParallelAsks }),
        (reports) => reports.flat()
      )
    }
  })

/** Each name once, in UTF-16 order, the order of the tables. */
const mergeSorted = (names: ReadonlyArray<string>): ReadonlyArray<string> =>
  [...new Set(names)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))

const describe = (endpoint: IndexEndpoint): string => {
  switch (endpoint.tag) {
    case "Repositories":
      return "catalog"
    case "Tags":
      return `repository ${endpoint.repository}`
    case "Tag":
      return `tag ${endpoint.name} in ${endpoint.repository}`
    case "Manifest":
      return `manifest ${endpoint.digest} in ${endpoint.repository}`
  }
}
