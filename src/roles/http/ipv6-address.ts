// Parses the text of an IPv6 address (RFC 4291, section 2.2), which may omit a run of zeros or end with an IPv4
// address. It does not know zones.

/** The eight groups of an IPv6 address; undefined for any other text. */
export const ipv6Groups = (text: string): ReadonlyArray<number> | undefined => {
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
