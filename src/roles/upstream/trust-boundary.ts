// The hosts that an upstream registry may name: the token server (realm) that gets the configured credentials, and
// the targets of its redirects for a blob, which get none. The boundary is configured, never learnt from an answer.
//
//   realm      https; the upstream's own host, its name's host or a host below either ("docker.io" trusts
//              auth.docker.io), or one of trustedRealms. Plain http only from a loopback upstream to loopback.
//   redirect   https, or http from an upstream that is itself http; to loopback only from loopback.
//
// Invariant: a refused host is never dialled, and the refusal says what to configure.

export interface UpstreamPlace {
  /** As clients name it: "docker.io". */
  readonly name: string
  /** "https://registry-1.docker.io" */
  readonly url: string
  /** HOST or HOST:PORT of token servers outside of the upstream's own hosts. */
  readonly trustedRealms: ReadonlyArray<string>
}

export interface Distrusted {
  readonly tag: "Distrusted"
  readonly reason: string
}

export interface TrustBoundary {
  /** The URL of a token server that may get the upstream's credentials. */
  readonly realm: (text: string) => URL | Distrusted
  /** The target of a redirect from `from`, if it may be followed. */
  readonly redirect: (location: string, from: URL) => URL | Distrusted
  /** Whether a URL is the upstream itself, which alone gets its Authorization. */
  readonly isUpstream: (url: URL) => boolean
}

export const isDistrusted = (value: URL | Distrusted): value is Distrusted => "tag" in value

export const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname)

const isAddress = (hostname: string): boolean =>
  hostname.startsWith("[") || /^\d+\.\d+\.\d+\.\d+$/.test(hostname)

/**
 * Whether a host lies below a domain name of at least two labels. Nothing lies below an address, "localhost" or
 * "com".
 */
const isBelow = (hostname: string, domain: string): boolean =>
  domain.includes(".") &&
  !isAddress(domain) &&
  hostname.endsWith(`.${domain}`) &&
  hostname.length > domain.length + 1

const parse = (text: string, base?: URL): URL | undefined =>
  URL.canParse(text, base) ? new URL(text, base) : undefined

const shown = (text: string): string => text.slice(0, 200)

export const makeTrustBoundary = (place: UpstreamPlace): TrustBoundary => {
  const upstream = new URL(place.url)
  const own = [upstream.hostname, new URL(`https://${place.name}`).hostname]
  const trusted = place.trustedRealms.map((realm) => ({
    url: new URL(`https://${realm}`),
    anyPort: !/:\d+$/.test(realm)
  }))
  const distrusted = (reason: string): Distrusted => ({
    tag: "Distrusted",
    reason: `${place.name}: ${reason}`
  })

  const isTrusted = (url: URL): boolean =>
    own.some((host) => url.hostname === host || isBelow(url.hostname, host)) ||
    trusted.some(
      (entry) => url.hostname === entry.url.hostname && (entry.anyPort || url.port === entry.url.port)
    )

  const realm: TrustBoundary["realm"] = (text) => {
    const url = parse(text)
    if (url === undefined) return distrusted(`its realm "${shown(text)}" is not a URL`)
    if (url.username !== "" || url.password !== "") {
      return distrusted(`its realm at ${url.host} has a user name in it`)
    }
    const plainOnLoopback =
      url.protocol === "http:" &&
      upstream.protocol === "http:" &&
      isLoopback(upstream.hostname) &&
      isLoopback(url.hostname)
    if (url.protocol !== "https:" && !plainOnLoopback) {
      return distrusted(`its realm ${shown(url.href)} is not https, so no token is requested there`)
    }
    if (!isTrusted(url)) {
      return distrusted(
        `its realm ${shown(url.href)} does not belong to this upstream; if it is right, add "${url.host}" to trustedRealms`
      )
    }
    url.hash = ""
    return url
  }

  const redirect: TrustBoundary["redirect"] = (location, from) => {
    const url = parse(location, from)
    if (url === undefined) return distrusted(`it redirects to "${shown(location)}", which is not a URL`)
    if (url.username !== "" || url.password !== "") {
      return distrusted(`it redirects to ${url.host} with a user name`)
    }
    if (url.protocol !== "https:" && !(url.protocol === "http:" && upstream.protocol === "http:")) {
      return distrusted(`it redirects from https to ${shown(url.protocol)}//${url.host}`)
    }
    if (isLoopback(url.hostname) && !isLoopback(upstream.hostname)) {
      return distrusted(`it redirects to this machine itself (${url.host})`)
    }
    url.hash = ""
    return url
  }

  return { realm, redirect, isUpstream: (url) => url.origin === upstream.origin }
}
