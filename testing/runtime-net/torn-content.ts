// The content of a file on a medium that was changed and not synced at a power loss: each sector has its old or its
// new content, in any mixture, and the file either length. Tests only.

/** A medium writes a sector completely or not at all. */
const sectorBytes = 512

/** `keeps` decides for each part whether it had reached the medium. */
export const tornContent = (before: Uint8Array, written: Uint8Array, keeps: () => boolean): Uint8Array => {
  if (before === written) return written
  const length = keeps() ? written.length : before.length
  const content = new Uint8Array(length)
  for (let at = 0; at < length; at += sectorBytes) {
    const sector = (keeps() ? written : before).subarray(at, Math.min(at + sectorBytes, length))
    content.set(sector, at)
  }
  return content
}

/** Coin flips for `keeps`, the same in every run with the same seed. */
export const coinFlips = (seed: number): (() => boolean) => {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state >>> 31 === 1
  }
}
