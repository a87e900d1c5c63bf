// Writes a host and a port together: an IPv6 address gets brackets (RFC 3986, 3.2.2). This machine reaches a listener
// on every address by loopback.

export const hostAndPort = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

/** "::" in any spelling: every address of this machine. */
const isEveryIpv6 = (host: string): boolean => host.includes(":") && /^[0:]+$/.test(host)

/** Whether a listener on `host` listens on every address. */
export const isEveryAddress = (host: string): boolean => host === "0.0.0.0" || isEveryIpv6(host)

/** The URL under which this machine reaches a listener. */
export const localUrl = ({ host, port }: { readonly host: string; readonly port: number }): string => {
  const reached = host === "0.0.0.0" ? "127.0.0.1" : isEveryIpv6(host) ? "::1" : host
  return `http://${hostAndPort(reached, port)}`
}
