// Decides what the registry API asks about `ns`, the parameter by which a client says under which registry's name it
// asks (OCI distribution spec, "Registry Proxying"). Without mirrors, only the names of this registry itself are known;
// upstream/mirror-scope.ts knows upstream registries as well. An unknown `ns` is a 404 at once: the client goes on.

import { type OciError, ociError } from "../oci/oci-error.ts"
import type { RegistryEndpoint } from "../oci/repository-path.ts"

export interface NamespaceScope {
  /** The endpoint as the cluster names it. `host` is the request's Host: a client that asks us by our name means us. */
  readonly of: (
    endpoint: RegistryEndpoint,
    ns: string | ReadonlyArray<string>,
    host: string | undefined
  ) => RegistryEndpoint | OciError
}

const namespaceUnknown = (ns: string): OciError =>
  ociError("NAME_UNKNOWN", {
    message: `"${ns.slice(0, 100)}" is not among the registries that are mirrored here`,
    detail: { ns: ns.slice(0, 100) }
  })

/** Knows the names of the cluster itself. */
export const ownScope = (ownNames: ReadonlyArray<string>): NamespaceScope => ({
  of: (endpoint, ns, host) => {
    if (typeof ns !== "string") {
      return ociError("NAME_UNKNOWN", { message: "ns is given more than once: name one registry" })
    }
    const name = ns.toLowerCase()
    return ownNames.includes(name) || name === host?.toLowerCase() ? endpoint : namespaceUnknown(ns)
  }
})
