// Decides the paths of a build-index (their JSON: build-index-records.ts). A repository's name is one path segment,
// slashes and all.
//
//   GET, HEAD, DELETE       /repositories/{repo}/tags/{tag}             a tag record; ETag is its version
//   GET                     /repositories/{repo}/tags/{tag}/history     its last changes
//   GET, PUT, DELETE        /repositories/{repo}/manifests/{digest}     a manifest record; a put moves tags too
//   GET, HEAD, PUT, DELETE  /repositories/{repo}/blobs/{digest}         a link; ?renew when someone relies on it
//   GET                     /repositories/{repo}/referrers/{digest}     ?artifactType=&n=&last=
//   GET                     /repositories/{repo}/tags?n=&last=          names, sorted
//   GET                     /repositories?n=&last=                      names, sorted
//   POST                    /references                                 which of these digests any repository needs

import type { Digest } from "../../protocol/wire/digest.ts"
import { pathSegments } from "./blob-path.ts"
import { OciError, ociError } from "../oci/oci-error.ts"
import { isRepositoryName, isTagName, parseClientDigest } from "../oci/repository-path.ts"

export type IndexEndpoint =
  | { readonly tag: "Repositories" }
  | { readonly tag: "References" }
  | { readonly tag: "Tags"; readonly repository: string }
  | { readonly tag: "Tag"; readonly repository: string; readonly name: string }
  | { readonly tag: "History"; readonly repository: string; readonly name: string }
  | { readonly tag: "Manifest"; readonly repository: string; readonly digest: Digest }
  | { readonly tag: "Link"; readonly repository: string; readonly digest: Digest }
  | { readonly tag: "Referrers"; readonly repository: string; readonly digest: Digest }

/** The first path segments under which a build-index answers. */
export const indexRoots = ["repositories", "references"] as const

export const formatIndexPath = (endpoint: IndexEndpoint): string => {
  if (endpoint.tag === "Repositories") return "/repositories"
  if (endpoint.tag === "References") return "/references"
  const repository = `/repositories/${encodeURIComponent(endpoint.repository)}`
  switch (endpoint.tag) {
    case "Tags":
      return `${repository}/tags`
    case "Tag":
      return `${repository}/tags/${encodeURIComponent(endpoint.name)}`
    case "History":
      return `${repository}/tags/${encodeURIComponent(endpoint.name)}/history`
    case "Manifest":
      return `${repository}/manifests/${endpoint.digest}`
    case "Link":
      return `${repository}/blobs/${endpoint.digest}`
    case "Referrers":
      return `${repository}/referrers/${endpoint.digest}`
  }
}

const malformed = (url: string): OciError =>
  ociError("UNSUPPORTED", { status: 404, message: `${url.slice(0, 300)} is not a path of a build-index` })

const kindsByDigest = { manifests: "Manifest", blobs: "Link", referrers: "Referrers" } as const

/** What a request's URL asks for, or the error to answer with. */
export const parseIndexPath = (url: string): IndexEndpoint | OciError => {
  const [root, repository, kind, name, detail, ...rest] = pathSegments(url) ?? []
  if (rest.length > 0) return malformed(url)
  if (root === "references" && repository === undefined) return { tag: "References" }
  if (root !== "repositories") return malformed(url)
  if (repository === undefined) return { tag: "Repositories" }
  if (!isRepositoryName(repository)) {
    return ociError("NAME_INVALID", { message: `"${repository.slice(0, 300)}" is not a repository name` })
  }
  if (kind === "tags") {
    if (name === undefined) return { tag: "Tags", repository }
    if (!isTagName(name)) return ociError("TAG_INVALID", { message: `"${name.slice(0, 300)}" is not a tag` })
    if (detail === undefined) return { tag: "Tag", repository, name }
    return detail === "history" ? { tag: "History", repository, name } : malformed(url)
  }
  if (name === undefined || detail !== undefined || kind === undefined || !Object.hasOwn(kindsByDigest, kind))
    return malformed(url)
  const digest = parseClientDigest(name)
  if (digest instanceof OciError) return digest
  return { tag: kindsByDigest[kind as keyof typeof kindsByDigest], repository, digest }
}

/** For people. */
export const describeIndexEndpoint = (endpoint: IndexEndpoint): string => {
  switch (endpoint.tag) {
    case "Repositories":
    case "References":
      return endpoint.tag.toLowerCase()
    case "Tags":
      return `repository ${endpoint.repository}`
    case "Tag":
    case "History":
      return `tag ${endpoint.name} in ${endpoint.repository}`
    case "Link":
      return `blob ${endpoint.digest} in ${endpoint.repository}`
    case "Manifest":
    case "Referrers":
      return `manifest ${endpoint.digest} in ${endpoint.repository}`
  }
}
