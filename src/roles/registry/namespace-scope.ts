// Scope of the parameter `ns`, in which a client names the registry that it wants (OCI distribution spec, "Registry
// Proxying"). Without mirrors only this registry's own names are in the scope; upstream/mirror-scope.ts adds upstream
// registries. An unknown `ns` gets 404 at once, so the client asks elsewhere.

import { type OciError, ociError } from "../oci/oci-error.ts"
import type { RegistryEndpoint } from "../oci/repository-path.ts"

export interface NamespaceScope {
  /** The endpoint under its name in the cluster. `host` is the request's Host, which is a name of this registry. */
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

/** A scope of the cluster's own names. */
export const ownScope = (ownNames: ReadonlyArray<string>): NamespaceScope => ({
  of: (endpoint, ns, host) => {
    if (typeof ns !== "string") {
      return ociError("NAME_UNKNOWN", { message: "ns is given more than once: name one registry" })
    }
    const name = ns.toLowerCase()
    return ownNames.includes(name) || name === host?.toLowerCase() ? endpoint : namespaceUnknown(ns)
  }
})
