// The configuration of an upstream registry: the name that clients use, its URL, its token servers, and its
// credentials, which are named here and read elsewhere (services/secrets.ts); and the names under which agents and
// proxies let clients ask for it. Part of the roles' schemas.

import { Schema } from "effect"
import { optional, required, withDefault } from "../config/keys.ts"
import { duration, writtenMicros } from "../config/quantities.ts"
import { Secret } from "../config/secret.ts"
import { upstreamLimits } from "./limits.ts"
import { MirrorName, mirrorNameKeys, RegistryName } from "./mirror-names.ts"
import { isLoopback } from "./trust-boundary.ts"

const UserName = Schema.NonEmptyString.check(
  Schema.makeFilter((text) => !text.includes(":") || 'a user name without ":"')
).annotate({ title: "name" })

const Credentials = Schema.Struct({
  username: required(UserName, "The user's name"),
  // A named password is read whenever a token is requested.
  password: required(Secret, "The user's password", [
    { key: "passwordFile", means: (path) => (typeof path === "string" ? `@${path}` : path) },
    {
      key: "passwordEnv",
      means: (variable) => (typeof variable === "string" ? `env:${variable}` : variable)
    }
  ])
})

const UpstreamUrl = Schema.String.check(Schema.isPattern(/^https?:\/\/[^/\s@?#]+\/?$/)).annotate({
  title: "URL"
})

/** A registry that the cluster mirrors. */
export const Upstream = Schema.Struct({
  ...mirrorNameKeys,
  url: required(UpstreamUrl, "Where it is, such as https://registry-1.docker.io"),
  trustedRealms: withDefault(
    Schema.Array(RegistryName),
    [],
    "Token servers that are neither the upstream's host nor below it nor below its name"
  ),
  credentials: optional(Credentials, "The credentials of the cluster at the upstream; anonymous when absent"),
  freshness: withDefault(
    duration({ least: 0, most: "1 day" }),
    writtenMicros(upstreamLimits.upstreamFreshness),
    "Time for which a tag is served before the upstream is asked again; 0 asks every time"
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

/** Upstreams, without duplicate names or aliases. */
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

/** The names under which clients may ask this registry for others, by `ns` (mirror-scope.ts). */
export const namingKeys = {
  mirrors: withDefault(
    Schema.Array(MirrorName),
    [],
    "The mirrored upstream registries: a closed list, the same as that of the build-indexes and origins"
  ),
  ownNames: withDefault(Schema.Array(RegistryName), [], "Names of the cluster that clients may send as ns")
}
