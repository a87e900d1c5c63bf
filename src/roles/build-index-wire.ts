// Decides the paths and the JSON of a build-index. A repository's name is one path segment, slashes and all.
//
//   GET, HEAD, PUT  /repositories/{repo}/tags/{tag}           a manifest record
//   GET, PUT        /repositories/{repo}/manifests/{digest}   a manifest record
//   GET             /repositories/{repo}/tags?n=&last=        names, sorted
//   GET             /repositories?n=&last=                    names, sorted

import { Schema } from "effect"
import type { Digest } from "../protocol/digest.ts"
import { limits } from "../protocol/limits.ts"
import { pathSegments } from "./blob-path.ts"
import { OciError, ociError } from "./registry/oci-error.ts"
import { isRepositoryName, isTagName, parseClientDigest } from "./registry/repository-path.ts"
import { DigestText } from "./wire-schema.ts"

/** What a tag or digest of a repository names. */
export const ManifestRecord = Schema.Struct({
  digest: DigestText,
  mediaType: Schema.String.check(Schema.isBetweenLength(1, 255)),
  /** Bytes. */
  size: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: limits.maxManifestBytes }))
})
export type ManifestRecord = typeof ManifestRecord.Type

/** A sorted listing's page. */
export const Names = Schema.Struct({ names: Schema.Array(Schema.String) })

export type IndexEndpoint =
  | { readonly tag: "Repositories" }
  | { readonly tag: "Tags"; readonly repository: string }
  | { readonly tag: "Tag"; readonly repository: string; readonly name: string }
  | { readonly tag: "Manifest"; readonly repository: string; readonly digest: Digest }

export const formatIndexPath = (endpoint: IndexEndpoint): string => {
  if (endpoint.tag === "Repositories") return "/repositories"
  const repository = `/repositories/${encodeURIComponent(endpoint.repository)}`
  switch (endpoint.tag) {
    case "Tags":
      return `${repository}/tags`
    case "Tag":
      return `${repository}/tags/${encodeURIComponent(endpoint.name)}`
    case "Manifest":
      return `${repository}/manifests/${endpoint.digest}`
  }
}

const malformed = (url: string): OciError =>
  ociError("UNSUPPORTED", { status: 404, message: `${url.slice(0, 300)} is not a path of a build-index` })

/** What a request's URL asks for, or the error to answer with. */
export const parseIndexPath = (url: string): IndexEndpoint | OciError => {
  const [root, repository, kind, name, ...rest] = pathSegments(url) ?? []
  if (root !== "repositories" || rest.length > 0) return malformed(url)
  if (repository === undefined) return { tag: "Repositories" }
  if (!isRepositoryName(repository)) {
    return ociError("NAME_INVALID", { message: `"${repository.slice(0, 300)}" is not a repository name` })
  }
  if (kind === "tags") {
    if (name === undefined) return { tag: "Tags", repository }
    if (isTagName(name)) return { tag: "Tag", repository, name }
    return ociError("TAG_INVALID", { message: `"${name.slice(0, 300)}" is not a tag` })
  }
  if (kind !== "manifests" || name === undefined) return malformed(url)
  const digest = parseClientDigest(name)
  return digest instanceof OciError ? digest : { tag: "Manifest", repository, digest }
}
