// Decides what a medium holds of a file's content that was changed and not synced when the power went: of every sector
// what it held before or what was written, in any mixture, and either length. Tests only.

/** A medium takes a sector whole or not at all. */
const sectorBytes = 512

/** `keeps` says of each part whether it had reached the medium. */
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

/** Coin flips for `keeps`, the same at every run of the same seed. */
export const coinFlips = (seed: number): (() => boolean) => {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state >>> 31 === 1
  }
}
