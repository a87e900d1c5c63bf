// Decides the paths under which origins and trackers know blobs. A namespace is a repository's name, slashes and all,
// in one path segment. It refuses to know methods and what exists.
//
//   /namespace/{ns}/blobs/{digest}            the blob               origins
//   /namespace/{ns}/blobs/{digest}/metainfo   its canonical metainfo origins, trackers
//   /internal/peer                            the origin's peer address
//   /internal/blobs/{digest}                  a copy from another owner: metainfo, then blob
//   /internal/blobs/{digest}/metainfo         the metainfo that this origin itself has

import type { Digest } from "../../protocol/wire/digest.ts"
import { OciError, ociError } from "../oci/oci-error.ts"
import { maxRepositoryLength, parseClientDigest } from "../oci/repository-path.ts"

export type BlobEndpoint =
  | { readonly tag: "Blob"; readonly namespace: string; readonly digest: Digest }
  | { readonly tag: "Metainfo"; readonly namespace: string; readonly digest: Digest }
  | { readonly tag: "Peer" }
  | { readonly tag: "Copy"; readonly digest: Digest }
  | { readonly tag: "OwnMetainfo"; readonly digest: Digest }

export const formatBlobPath = (endpoint: BlobEndpoint): string => {
  switch (endpoint.tag) {
    case "Blob":
      return `/namespace/${encodeURIComponent(endpoint.namespace)}/blobs/${endpoint.digest}`
    case "Metainfo":
      return `/namespace/${encodeURIComponent(endpoint.namespace)}/blobs/${endpoint.digest}/metainfo`
    case "Peer":
      return "/internal/peer"
    case "Copy":
      return `/internal/blobs/${endpoint.digest}`
    case "OwnMetainfo":
      return `/internal/blobs/${endpoint.digest}/metainfo`
  }
}

const malformed = (path: string): OciError =>
  ociError("UNSUPPORTED", { status: 404, message: `${path.slice(0, 300)} is not a path of this role` })

/** Splits a URL's path into decoded segments, or undefined when its percent-encoding is broken. */
const pathSegments = (url: string): ReadonlyArray<string> | undefined => {
  const [path = ""] = url.split("?", 1)
  try {
    return path.split("/").slice(1).map(decodeURIComponent)
  } catch {
    return undefined
  }
}

/** What a request's URL asks for, or the error to answer with. */
export const parseBlobPath = (url: string): BlobEndpoint | OciError => {
  const segments = pathSegments(url)
  if (segments === undefined) return malformed(url)
  const [root, ...rest] = segments
  if (root === "internal") {
    if (rest.length === 1 && rest[0] === "peer") return { tag: "Peer" }
    if (rest[0] !== "blobs" || rest.length < 2 || rest.length > 3) return malformed(url)
    const digest = parseClientDigest(rest[1]!)
    if (digest instanceof OciError) return digest
    if (rest.length === 2) return { tag: "Copy", digest }
    return rest[2] === "metainfo" ? { tag: "OwnMetainfo", digest } : malformed(url)
  }
  const [namespace, blobs, name, metainfo] = rest
  if (root !== "namespace" || blobs !== "blobs" || name === undefined || rest.length > 4)
    return malformed(url)
  if (namespace === undefined || namespace === "" || namespace.length > maxRepositoryLength) {
    return ociError("NAME_INVALID", {
      message: `a namespace has 1 to ${maxRepositoryLength} characters`,
      detail: { namespace: (namespace ?? "").slice(0, 300) }
    })
  }
  const digest = parseClientDigest(name)
  if (digest instanceof OciError) return digest
  if (metainfo === undefined) return { tag: "Blob", namespace, digest }
  return metainfo === "metainfo" ? { tag: "Metainfo", namespace, digest } : malformed(url)
}
