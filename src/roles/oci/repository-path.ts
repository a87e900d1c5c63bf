// Paths of the registry API: parses `/v2/...` into an endpoint and formats an endpoint as a path. A repository name
// has many components, and each may be "blobs" or "manifests", so a path is parsed from its end. It does not know
// methods, queries or which content exists.
//
// Invariants: every repository name, tag and digest of a parsed endpoint is well formed. Parsing a formatted path
// gives the same endpoint.

import { type Digest, parseDigest } from "../../protocol/wire/digest.ts"
import { ociLimits } from "./limits.ts"
import { type OciError, ociError } from "./oci-error.ts"

export type ManifestReference =
  | { readonly tag: "Tag"; readonly name: string }
  | { readonly tag: "Digest"; readonly digest: Digest }

export type RegistryEndpoint =
  | { readonly tag: "Base" }
  | { readonly tag: "Catalog" }
  | { readonly tag: "Manifest"; readonly repository: string; readonly reference: ManifestReference }
  | { readonly tag: "Blob"; readonly repository: string; readonly digest: Digest }
  | { readonly tag: "Uploads"; readonly repository: string }
  | { readonly tag: "Upload"; readonly repository: string; readonly upload: string }
  | { readonly tag: "Tags"; readonly repository: string }
  | { readonly tag: "Referrers"; readonly repository: string; readonly digest: Digest }
  /** The last changes of a tag; an extension of Shoal. */
  | { readonly tag: "History"; readonly repository: string; readonly name: string }

export const { maxRepositoryLength } = ociLimits

export const repositoryPattern =
  /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
export const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

export const isRepositoryName = (text: string): boolean =>
  text.length <= maxRepositoryLength && repositoryPattern.test(text)

export const isTagName = (text: string): boolean => tagPattern.test(text)

/** The OCI error that tells a client what a repository's name is. */
export const nameInvalid = (name: string): OciError =>
  ociError("NAME_INVALID", {
    message:
      `"${name.slice(0, 300)}" is not a repository name: lower-case letters and digits, ` +
      `separated by ".", "_", "__", "-" or "/", at most ${maxRepositoryLength} characters`,
    detail: { name: name.slice(0, 300) }
  })

/** The OCI error that tells a client what a digest is. */
export const digestInvalid = (text: string): OciError =>
  ociError("DIGEST_INVALID", {
    message: `"${text.slice(0, 300)}" is not a digest: sha256:<64 hex digits> or sha512:<128 hex digits>, lower case`,
    detail: { digest: text.slice(0, 300) }
  })

/** The OCI error for a malformed tag. */
export const tagInvalid = (text: string): OciError =>
  ociError("TAG_INVALID", {
    message: `"${text.slice(0, 300)}" is not a tag: a letter, digit or "_", then at most 127 of these, "." and "-"`,
    detail: { tag: text.slice(0, 300) }
  })

/** The digest in a client's request, or the OCI error for a malformed one. */
export const parseClientDigest = (text: string): Digest | OciError => parseDigest(text) ?? digestInvalid(text)

const parseReference = (text: string): ManifestReference | OciError => {
  if (text.includes(":")) {
    const digest = parseClientDigest(text)
    return typeof digest === "string" ? { tag: "Digest", digest } : digest
  }
  return isTagName(text) ? { tag: "Tag", name: text } : tagInvalid(text)
}

const noSuchEndpoint = (path: string): OciError =>
  ociError("UNSUPPORTED", { status: 404, message: `${path.slice(0, 300)} is not a registry endpoint` })

const isError = (value: object): value is OciError => "_tag" in value

/** The endpoint of a request's URL (path and query, without a host), or the OCI error to answer with. */
export const parseRegistryPath = (url: string): RegistryEndpoint | OciError => {
  const query = url.indexOf("?")
  const encoded = query === -1 ? url : url.slice(0, query)
  let path: string
  try {
    path = decodeURIComponent(encoded)
  } catch {
    return ociError("NAME_INVALID", {
      message: `${encoded.slice(0, 300)} is not well-formed percent-encoding`
    })
  }
  if (path === "/v2" || path === "/v2/") return { tag: "Base" }
  if (!path.startsWith("/v2/")) return noSuchEndpoint(path)
  if (path === "/v2/_catalog") return { tag: "Catalog" }

  const segments = path.slice("/v2/".length).split("/")
  const last = segments.at(-1)!
  const second = segments.at(-2)
  const third = segments.at(-3)
  const named = (count: number, make: (repository: string) => RegistryEndpoint | OciError) => {
    const repository = segments.slice(0, -count).join("/")
    return isRepositoryName(repository) ? make(repository) : nameInvalid(repository)
  }

  // No component of a repository begins with "_", so these paths are unambiguous although a tag may be "blobs".
  if (segments.at(-4) === "_shoal" && third === "tags" && last === "history") {
    return named(4, (repository) =>
      isTagName(second!) ? { tag: "History", repository, name: second! } : tagInvalid(second!)
    )
  }
  if (second === "manifests") {
    return named(2, (repository) => {
      const reference = parseReference(last)
      return isError(reference) ? reference : { tag: "Manifest", repository, reference }
    })
  }
  if (second === "tags" && last === "list") return named(2, (repository) => ({ tag: "Tags", repository }))
  if (second === "blobs" && last === "uploads")
    return named(2, (repository) => ({ tag: "Uploads", repository }))
  if (third === "blobs" && second === "uploads") {
    return named(3, (repository) =>
      last === "" ? { tag: "Uploads", repository } : { tag: "Upload", repository, upload: last }
    )
  }
  if (second === "blobs" || second === "referrers") {
    return named(2, (repository) => {
      const digest = parseClientDigest(last)
      if (typeof digest !== "string") return digest
      return { tag: second === "blobs" ? "Blob" : "Referrers", repository, digest }
    })
  }
  return noSuchEndpoint(path)
}

export const isOciError = (value: RegistryEndpoint | OciError): value is OciError => isError(value)

/** The path that parseRegistryPath parses into `endpoint`; also used for relative Locations. */
export const formatRegistryPath = (endpoint: RegistryEndpoint): string => {
  switch (endpoint.tag) {
    case "Base":
      return "/v2/"
    case "Catalog":
      return "/v2/_catalog"
    case "Manifest": {
      const { reference } = endpoint
      return `/v2/${endpoint.repository}/manifests/${reference.tag === "Tag" ? reference.name : reference.digest}`
    }
    case "Blob":
      return `/v2/${endpoint.repository}/blobs/${endpoint.digest}`
    case "Uploads":
      return `/v2/${endpoint.repository}/blobs/uploads/`
    case "Upload":
      return `/v2/${endpoint.repository}/blobs/uploads/${encodeURIComponent(endpoint.upload)}`
    case "Tags":
      return `/v2/${endpoint.repository}/tags/list`
    case "Referrers":
      return `/v2/${endpoint.repository}/referrers/${endpoint.digest}`
    case "History":
      return `/v2/${endpoint.repository}/_shoal/tags/${endpoint.name}/history`
  }
}
