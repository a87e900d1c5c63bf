// Decides who counts as one client: an IPv4 address, an IPv6 network of 64 bits (a host is given one whole, and may use
// as many addresses of it as it likes), or a name as it is. Headers that claim another address are not believed: who
// puts a proxy in front of a registry limits clients there.

/** The eight groups of an IPv6 address without its zone, or undefined. */
const ipv6Groups = (text: string): ReadonlyArray<number> | undefined => {
  const dotted = /^(.*:)(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  if (dotted !== null) {
    const [a, b, c, d] = dotted.slice(2).map(Number) as [number, number, number, number]
    if (Math.max(a, b, c, d) > 255) return undefined
    return ipv6Groups(`${dotted[1]}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`)
  }
  const halves = text.split("::")
  if (halves.length > 2) return undefined
  const [left, right] = halves.map((half) => (half === "" ? [] : half.split(":")))
  const given = [...left!, ...(right ?? [])]
  if (!given.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined
  const missing = 8 - given.length
  if (right === undefined ? missing !== 0 : missing < 1) return undefined
  return [...left!, ...Array<string>(missing).fill("0"), ...(right ?? [])].map((group) =>
    Number.parseInt(group, 16)
  )
}

/** The key under which requests from `address` are counted together. */
export const clientOf = (address: string): string => {
  const groups = address.includes(":") ? ipv6Groups(address.split("%", 1)[0]!) : undefined
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
