// Decides how an upstream registry is configured: what clients call it, where it is, who gives its tokens, and with
// which credentials, which are named here and read elsewhere (services/secrets.ts); and by which names agents and proxies
// let clients ask for them. Part of the roles' schemas.

import { Schema } from "effect"
import { limits } from "../../protocol/limits.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { defaultTo } from "../config/numbers.ts"
import { MirrorName, RegistryName } from "./mirror-names.ts"
import { isLoopback } from "./trust-boundary.ts"

const Credentials = Schema.Struct({
  username: Schema.NonEmptyString.check(
    Schema.makeFilter((text) => !text.includes(":") || 'a user name without ":"')
  ),
  /** A file that holds the password; read whenever a token is asked for. */
  passwordFile: Schema.optionalKey(Schema.NonEmptyString),
  /** Or the environment variable that holds it. */
  passwordEnv: Schema.optionalKey(Schema.NonEmptyString)
}).check(
  Schema.makeFilter(
    ({ passwordFile, passwordEnv }) =>
      (passwordFile === undefined) !== (passwordEnv === undefined) ||
      "either passwordFile or passwordEnv, and not both"
  )
)

const UpstreamUrl = Schema.String.check(Schema.isPattern(/^https?:\/\/[^/\s@?#]+\/?$/))

/** A registry that the cluster mirrors. */
export const Upstream = Schema.Struct({
  /** As it stands in image references: "docker.io". The only names that `ns` may have are these and the aliases. */
  name: RegistryName,
  aliases: defaultTo(Schema.Array(RegistryName), []),
  /** "https://registry-1.docker.io" */
  url: UpstreamUrl,
  /** HOST or HOST:PORT of token servers that are neither the upstream's host nor below it nor below its name. */
  trustedRealms: defaultTo(Schema.Array(RegistryName), []),
  credentials: Schema.optionalKey(Credentials),
  /** Seconds for which a tag is served before the upstream is asked again; 0 asks every time. */
  freshness: defaultTo(
    Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 86_400 })),
    limits.upstreamFreshness / seconds(1)
  )
}).check(
  Schema.makeFilter(({ url, credentials }) => {
    const parsed = URL.canParse(url) ? new URL(url) : undefined
    if (parsed === undefined) return "url: the address of a registry"
    return (
      credentials === undefined ||
      parsed.protocol === "https:" ||
      isLoopback(parsed.hostname) ||
      "credentials are only sent over https: give an https url"
    )
  })
)
export type Upstream = typeof Upstream.Type

export type UpstreamSettings = typeof Upstream.Encoded

export const upstreamConfig = Schema.decodeSync(Upstream)

/** Upstreams, no name or alias given twice. */
export const UpstreamList = Schema.Array(Upstream).check(
  Schema.makeFilter((upstreams) => {
    const seen = new Set<string>()
    for (const { name, aliases } of upstreams) {
      for (const known of [name, ...aliases]) {
        if (seen.has(known)) return `each upstream's name and aliases once, but "${known}" is there twice`
        seen.add(known)
      }
    }
    return true
  })
)

/** How clients may name registries to this one, by `ns` (mirror-scope.ts). */
export const namingKeys = {
  /** The upstream registries that are mirrored: a closed list, the same as the build-indexes' and origins'. */
  mirrors: defaultTo(Schema.Array(MirrorName), []),
  /** HOST:PORT under which clients know the cluster itself. */
  ownNames: defaultTo(Schema.Array(RegistryName), [])
}
