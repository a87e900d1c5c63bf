// The key of a client: an IPv4 address, an IPv6 /64 (a host is assigned a whole one and may use any of its
// addresses), or a name as it is. Headers that claim another address are ignored: a proxy in front of a registry has
// to limit its clients itself.

import { Option, Result } from "effect"
import { IpNetwork, NetAddress } from "effect/net"

/** The key under which requests from `address` are counted together. */
export const clientOf = (address: string): string => {
  if (!address.includes(":")) return address
  const [withoutZone = address] = address.split("%", 1)
  const parsed = NetAddress.ipv6FromString(withoutZone)
  if (Result.isFailure(parsed)) return address
  // An IPv4 client of a dual-stack listener (RFC 4291, 2.5.5.2).
  const mapped = NetAddress.fromIpv4Mapped(parsed.success)
  return Option.isSome(mapped)
    ? NetAddress.formatIp(mapped.value)
    : IpNetwork.format(IpNetwork.fromAddressUnsafe(parsed.success, 64))
}
