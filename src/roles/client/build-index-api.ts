// HTTP API of a build-index: its paths, the JSON of its requests and answers, and the statuses of its refusals.
// Server, client and the OpenAPI document are made from this definition. build-index-records.ts defines the JSON.
//
// A repository's name is one segment of a path, with encoded slashes. Requests are counted by group.

import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import type { Digest } from "../../protocol/wire/digest.ts"
import { everyPath, refusesWith } from "../http/api-refusals.ts"
import { Answering } from "../http/api-routes.ts"
import { DigestText, RepositoryText, TagText } from "../http/wire-schema.ts"
import {
  ChangeBy,
  History,
  LinkAnswer,
  LinkPut,
  ManifestAnswer,
  ManifestPut,
  Names,
  References,
  Referrers,
  TagAnswer
} from "./build-index-records.ts"

/** For people: what the parameters of a path name. */
export const names = {
  repository: ({ repository }: { readonly repository: string }) => `repository ${repository}`,
  tag: ({ repository, tag }: { readonly repository: string; readonly tag: string }) =>
    `tag ${tag} in ${repository}`,
  blob: ({ repository, digest }: OfDigest) => `blob ${digest} in ${repository}`,
  manifest: ({ repository, digest }: OfDigest) => `manifest ${digest} in ${repository}`
} as const
interface OfDigest {
  readonly repository: string
  readonly digest: Digest
}

const ofRepository = { repository: RepositoryText }
const ofTag = { repository: RepositoryText, tag: TagText }
const ofDigest = { repository: RepositoryText, digest: DigestText }

/** At most `n` entries after `last`. */
const page = { n: Schema.optionalKey(Schema.String), last: Schema.optionalKey(Schema.String) }

const reads = refusesWith(400, 404, 503)
const changes = refusesWith(400, 403, 404, 503)

const tag = HttpApiGroup.make("tag").add(
  HttpApiEndpoint.get("get", "/repositories/:repository/tags/:tag", {
    params: ofTag,
    headers: { "if-none-match": Schema.optionalKey(Schema.String) },
    success: [TagAnswer, HttpApiSchema.Empty(304)],
    error: reads
  }).annotate(
    OpenApi.Summary,
    "The tag's manifest. ETag is the state of the tag and of its repository's deletions"
  ),
  HttpApiEndpoint.delete("delete", "/repositories/:repository/tags/:tag", {
    params: ofTag,
    query: ChangeBy.fields,
    success: HttpApiSchema.Accepted,
    error: changes
  }).annotate(OpenApi.Summary, "Deletes the tag; its manifest stays")
)

const history = HttpApiGroup.make("history").add(
  HttpApiEndpoint.get("get", "/repositories/:repository/tags/:tag/history", {
    params: ofTag,
    success: History,
    error: reads
  }).annotate(OpenApi.Summary, "The tag's last changes, the last one first")
)

const manifest = HttpApiGroup.make("manifest").add(
  HttpApiEndpoint.get("get", "/repositories/:repository/manifests/:digest", {
    params: ofDigest,
    success: ManifestAnswer,
    error: reads
  }).annotate(OpenApi.Summary, "The record of a manifest of the repository"),
  HttpApiEndpoint.put("put", "/repositories/:repository/manifests/:digest", {
    params: ofDigest,
    payload: ManifestPut,
    success: Schema.Struct({ version: Schema.Int }).pipe(HttpApiSchema.status(201)),
    error: refusesWith(400, 403, 503)
  }).annotate(OpenApi.Summary, "Records the manifest and moves tags to it, all or nothing"),
  HttpApiEndpoint.delete("delete", "/repositories/:repository/manifests/:digest", {
    params: ofDigest,
    query: ChangeBy.fields,
    success: HttpApiSchema.Accepted,
    error: changes
  }).annotate(OpenApi.Summary, "Deletes the manifest and the tags that name it")
)

const link = HttpApiGroup.make("link").add(
  HttpApiEndpoint.get("get", "/repositories/:repository/blobs/:digest", {
    params: ofDigest,
    query: { renew: Schema.optionalKey(Schema.String) },
    success: LinkAnswer,
    error: reads
  }).annotate(
    OpenApi.Summary,
    "Whether the repository has the blob; with renew it stays for the grace period"
  ),
  HttpApiEndpoint.put("put", "/repositories/:repository/blobs/:digest", {
    params: ofDigest,
    payload: LinkPut,
    success: HttpApiSchema.Created,
    error: refusesWith(400, 503)
  }).annotate(OpenApi.Summary, "Gives the repository a blob that is durable at an origin"),
  HttpApiEndpoint.delete("delete", "/repositories/:repository/blobs/:digest", {
    params: ofDigest,
    success: HttpApiSchema.Accepted,
    error: reads
  }).annotate(OpenApi.Summary, "Removes the blob from the repository")
)

const referrers = HttpApiGroup.make("referrers").add(
  HttpApiEndpoint.get("get", "/repositories/:repository/referrers/:digest", {
    params: ofDigest,
    query: { ...page, artifactType: Schema.optionalKey(Schema.String) },
    success: Referrers,
    error: refusesWith(400, 503)
  }).annotate(OpenApi.Summary, "Manifests whose subject is this one, by digest")
)

const tags = HttpApiGroup.make("tags").add(
  HttpApiEndpoint.get("list", "/repositories/:repository/tags", {
    params: ofRepository,
    query: page,
    success: Names,
    error: reads
  }).annotate(OpenApi.Summary, "Names of the repository's tags, sorted")
)

const repositories = HttpApiGroup.make("repositories").add(
  HttpApiEndpoint.get("list", "/repositories", {
    query: page,
    success: Names,
    error: refusesWith(400, 503)
  }).annotate(OpenApi.Summary, "Names of the repositories of this build-index, sorted")
)

const references = HttpApiGroup.make("references").add(
  HttpApiEndpoint.post("find", "/references", {
    payload: References,
    success: References,
    error: refusesWith(400, 503)
  }).annotate(OpenApi.Summary, "Those of the digests that any repository needs")
)

export const BuildIndexApi = HttpApi.make("build-index")
  .add(tag, history, manifest, link, referrers, tags, repositories, references)
  .middleware(Answering)
  .annotate(OpenApi.Title, "Shoal build-index")
  .annotate(OpenApi.Description, everyPath)
