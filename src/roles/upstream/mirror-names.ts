// The names of upstream repositories inside the cluster, and the names under which a client may ask for them. The
// list is closed: it comes from the configuration, and a client's `ns` is only looked up in it.
//
//   docker.io        library/alpine  ->  docker.io/library/alpine
//   localhost:5000   a/b             ->  localhost__5000/a/b                  a host has no "_"
//   [::1]:5000       a/b             ->  0_0_0_0_0_0_0_1__5000/a/b
//
// Invariants: different registries have different prefixes; a prefix is one well-formed component of a repository
// name.

import { Result, Schema } from "effect"
import { NetAddress } from "effect/net"
import { required, withDefault } from "../config/keys.ts"
import { isRepositoryName } from "../oci/repository-path.ts"

const label = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
const namePattern = new RegExp(`^(${label}(?:\\.${label})*|\\[[0-9a-f:]{2,39}\\])(?::([0-9]{1,5}))?$`)

/** An IPv6 address as a part of a name; undefined for any other text. */
const inComponent = (text: string): string | undefined => {
  const address = NetAddress.ipv6FromString(text)
  if (Result.isFailure(address)) return undefined
  return NetAddress.ipv6ToSegments(address.success)
    .map((segment) => segment.toString(16))
    .join("_")
}

/**
 * The first component of the names that a registry's repositories have here; undefined for a text that is no
 * host[:port].
 */
export const repositoryPrefix = (registry: string): string | undefined => {
  const [, host, port] = namePattern.exec(registry) ?? []
  if (host === undefined || registry.length > 128) return undefined
  const named = host.startsWith("[") ? inComponent(host.slice(1, -1)) : host
  if (named === undefined) return undefined
  return port === undefined ? named : `${named}__${port}`
}

/** The name of a registry in image references: "docker.io", "registry.example:5000", "[::1]:5000". */
export const RegistryName = Schema.String.check(
  Schema.makeFilter(
    (text) => repositoryPrefix(text) !== undefined || "a registry's name: HOST or HOST:PORT, lower case"
  )
).annotate({ title: "registry name" })

export const mirrorNameKeys = {
  name: required(RegistryName, "The registry's name in image references, such as docker.io"),
  aliases: withDefault(Schema.Array(RegistryName), [], "Other names under which clients ask for it")
}

/** A mirrored registry, as clients name it. */
export const MirrorName = Schema.Struct(mirrorNameKeys)
export type MirrorName = typeof MirrorName.Type

export interface MirrorNames {
  /** The prefix of the registry that `ns` names; undefined when it is not listed. */
  readonly prefixOf: (ns: string) => string | undefined
  /** Whether a repository belongs to a mirrored registry, so that nobody may push to it. */
  readonly isMirrored: (repository: string) => boolean
  /** Prefix for names without `ns` when the cluster has no such repository. */
  readonly defaultPrefix: string | undefined
}

/** The name in the cluster of a registry's repository; undefined when it would be too long. */
export const mirroredRepository = (prefix: string, repository: string): string | undefined => {
  const name = `${prefix}/${repository}`
  return isRepositoryName(name) ? name : undefined
}

/** A repository's prefix and its name at its registry. */
export const splitMirrored = (
  repository: string
): { readonly prefix: string; readonly remote: string } | undefined => {
  const slash = repository.indexOf("/")
  if (slash === -1) return undefined
  return { prefix: repository.slice(0, slash), remote: repository.slice(slash + 1) }
}

/** The names of a cluster that mirrors nothing: of most, and of every simulated host. */
const noNames: MirrorNames = {
  prefixOf: () => undefined,
  isMirrored: () => false,
  defaultPrefix: undefined
}

export const makeMirrorNames = (
  mirrors: ReadonlyArray<MirrorName>,
  defaultUpstream?: string
): MirrorNames => {
  if (mirrors.length === 0) return noNames
  const prefixes = new Map<string, string>()
  for (const { name, aliases } of mirrors) {
    const prefix = repositoryPrefix(name)!
    for (const known of [name, ...aliases]) prefixes.set(known, prefix)
  }
  const mirrored = new Set(prefixes.values())
  return {
    prefixOf: (ns) => prefixes.get(ns.toLowerCase()),
    isMirrored: (repository) => {
      const split = splitMirrored(repository)
      return split !== undefined && mirrored.has(split.prefix)
    },
    defaultPrefix: defaultUpstream === undefined ? undefined : prefixes.get(defaultUpstream)
  }
}
