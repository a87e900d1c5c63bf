// Paths of blobs and of their metainfo, for requests that are written by hand: a blob's bytes, and HEAD requests. The
// paths are those of origin-api.ts. A namespace is a repository's name with encoded slashes.

import type { Digest } from "../../protocol/wire/digest.ts"

export type BlobEndpoint =
  | { readonly tag: "Blob"; readonly namespace: string; readonly digest: Digest }
  | { readonly tag: "Metainfo"; readonly namespace: string; readonly digest: Digest }
  | { readonly tag: "Copy"; readonly digest: Digest }
  | { readonly tag: "OwnMetainfo"; readonly digest: Digest }

export const formatBlobPath = (endpoint: BlobEndpoint): string => {
  switch (endpoint.tag) {
    case "Blob":
      return `/namespace/${encodeURIComponent(endpoint.namespace)}/blobs/${endpoint.digest}`
    case "Metainfo":
      return `/namespace/${encodeURIComponent(endpoint.namespace)}/blobs/${endpoint.digest}/metainfo`
    case "Copy":
      return `/internal/blobs/${endpoint.digest}`
    case "OwnMetainfo":
      return `/internal/blobs/${endpoint.digest}/metainfo`
  }
}
