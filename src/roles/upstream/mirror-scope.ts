// The repository of a request whose client states, by `ns`, the registry's name under which it asks (OCI distribution
// spec, "Registry Proxying"): one of a mirrored registry, or the cluster's own when `ns` is a name of the cluster
// itself. Any other `ns` is answered as unknown at once and never dialled, and the client continues with its next
// host.
//
//   /v2/library/alpine/manifests/3?ns=docker.io  ->  docker.io/library/alpine
//   /v2/demo/app/manifests/1?ns=localhost:5000   ->  demo/app, when the cluster is known as localhost:5000
//   /v2/docker.io/library/alpine/manifests/3     ->  unchanged: path rewriting needs nothing

import { Effect } from "effect"
import { ociError } from "../oci/oci-error.ts"
import { maxRepositoryLength } from "../oci/repository-path.ts"
import { type NamespaceScope, ownScope } from "../registry/namespace-scope.ts"
import type { RegistryWrite } from "../registry/registry-routes.ts"
import { type MirrorNames, mirroredRepository } from "./mirror-names.ts"

export const makeMirrorScope = (names: MirrorNames, ownNames: ReadonlyArray<string>): NamespaceScope => ({
  of: (endpoint, ns, host) => {
    const prefix = typeof ns === "string" ? names.prefixOf(ns) : undefined
    if (prefix === undefined) return ownScope(ownNames).of(endpoint, ns, host)
    if (endpoint.tag === "Base") return endpoint
    if (!("repository" in endpoint)) {
      return ociError("UNSUPPORTED", { status: 404, message: `the catalog of ${prefix} is not mirrored` })
    }
    // Our own Link headers have the whole name, and a client may add its ns again.
    if (endpoint.repository.startsWith(`${prefix}/`)) return endpoint
    const repository = mirroredRepository(prefix, endpoint.repository)
    if (repository !== undefined) return { ...endpoint, repository }
    return ociError("NAME_INVALID", {
      message: `${prefix}/${endpoint.repository.slice(0, 100)} is longer than ${maxRepositoryLength} characters`
    })
  }
})

/** Refuses writes to an upstream's repository. A deletion only removes what is cached of it. */
export const keepMirrored =
  (names: MirrorNames, write: RegistryWrite): RegistryWrite =>
  (method, endpoint) => {
    const puts = method === "POST" || method === "PUT" || method === "PATCH"
    if (!puts || !("repository" in endpoint) || !names.isMirrored(endpoint.repository)) {
      return write(method, endpoint)
    }
    return Effect.fail(
      ociError("DENIED", {
        message: `${endpoint.repository} belongs to an upstream registry: push there, or under another name`
      })
    )
  }
