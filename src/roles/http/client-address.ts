// Decides who counts as one client: an IPv4 address, an IPv6 network of 64 bits (a host is given one whole, and may use
// as many addresses of it as it likes), or a name as it is. Headers that claim another address are not believed: who
// puts a proxy in front of a registry limits clients there.

import { ipv6Groups } from "./ipv6-address.ts"

/** The key under which requests from `address` are counted together. */
export const clientOf = (address: string): string => {
  const [plain = address] = address.split("%", 1)
  const groups = address.includes(":") ? ipv6Groups(plain) : undefined
  if (groups === undefined) return address
  // An IPv4 client of a listener on both families (RFC 4291, 2.5.5.2).
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) {
    return groups
      .slice(6)
      .flatMap((group) => [Math.floor(group / 256), group % 256])
      .join(".")
  }
  const network = groups.slice(0, 4).map((group) => group.toString(16))
  return `${network.join(":")}::/64`
}
