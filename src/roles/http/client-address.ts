// The key of a client: an IPv4 address, an IPv6 /64 (a host is assigned a whole one and may use any of its
// addresses), or a name as it is. Headers that claim another address are ignored: a proxy in front of a registry has
// to limit its clients itself.

import { ipv6Groups } from "./ipv6-address.ts"

/** The key under which requests from `address` are counted together. */
export const clientOf = (address: string): string => {
  const [plain = address] = address.split("%", 1)
  const groups = address.includes(":") ? ipv6Groups(plain) : undefined
  if (groups === undefined) return address
  // An IPv4 client of a dual-stack listener (RFC 4291, 2.5.5.2).
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) {
    return groups
      .slice(6)
      .flatMap((group) => [Math.floor(group / 256), group % 256])
      .join(".")
  }
  const network = groups.slice(0, 4).map((group) => group.toString(16))
  return `${network.join(":")}::/64`
}
