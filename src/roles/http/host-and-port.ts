// Writes a host and a port together: an IPv6 address gets brackets (RFC 3986, 3.2.2). This machine reaches a listener
// on every address by loopback.

import { Result } from "effect"
import { NetAddress } from "effect/net"

export const hostAndPort = (host: string, port: number): string =>
  `${NetAddress.formatUrlHostString(host)}:${port}`

/** The loopback address of the family of which a listener on `host` has every address; undefined for another host. */
const loopbackOfEvery = (host: string): NetAddress.IpAddress | undefined => {
  const address = Result.getOrUndefined(NetAddress.ipFromString(host))
  if (address === undefined || !NetAddress.isUnspecified(address)) return undefined
  return NetAddress.isIpv4Address(address) ? NetAddress.ipv4Loopback : NetAddress.ipv6Loopback
}

/** Whether a listener on `host` listens on every address. */
export const isEveryAddress = (host: string): boolean => loopbackOfEvery(host) !== undefined

/** The URL under which this machine reaches a listener. */
export const localUrl = ({ host, port }: { readonly host: string; readonly port: number }): string => {
  const loopback = loopbackOfEvery(host)
  return `http://${hostAndPort(loopback === undefined ? host : NetAddress.formatIp(loopback), port)}`
}
