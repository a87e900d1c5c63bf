// Decides how seeds are written: one ("3"), a range ("1-5"), a list of both ("1,4,9-12"). Canonical text is ascending,
// without repetition, three in a row or more as a range; the order in which seeds are typed has no meaning.

import { Data, Effect } from "effect"

export class SeedInvalid extends Data.TaggedError("SeedInvalid")<{
  readonly seed: string
  readonly message: string
}> {}

/** More than these are a slip of the finger. */
const mostSeeds = 1_000

const parse = (text: string): ReadonlyArray<number> | undefined => {
  const seeds = new Set<number>()
  for (const part of text.split(",")) {
    const match = /^([0-9]+)(?:-([0-9]+))?$/.exec(part)
    if (match === null) return undefined
    const first = Number(match[1])
    const last = Number(match[2] ?? match[1])
    if (!Number.isSafeInteger(last) || first > last || last - first >= mostSeeds) return undefined
    for (let seed = first; seed <= last; seed++) seeds.add(seed)
  }
  return seeds.size > mostSeeds ? undefined : [...seeds].sort((left, right) => left - right)
}

/** The right form that is nearest to a wrong one: other signs for "to" and "and", ends in the wrong order. */
const nearestForm = (text: string): string | undefined => {
  const repaired = text
    .trim()
    .toLowerCase()
    .replace(/\s*(\.{2,}|:|–|\bto\b)\s*/g, "-")
    .replace(/\s*-\s*/g, "-")
    .replace(/[\s;,+&/]+/g, ",")
    .replace(/(\d+)-(\d+)/g, (range, first: string, last: string) =>
      Number(first) > Number(last) ? `${last}-${first}` : range
    )
    .replace(/[^0-9.,-]/g, "")
    .replace(/^[,-]+|[,-]+$/g, "")
  const seeds = parse(repaired)
  return seeds === undefined ? undefined : seedsText(seeds)
}

/** Seeds in ascending order, from text as a person types it. */
export const parseSeeds = (text: string): Effect.Effect<ReadonlyArray<number>, SeedInvalid> => {
  const seeds = parse(text)
  if (seeds !== undefined) return Effect.succeed(seeds)
  const nearest = nearestForm(text)
  return Effect.fail(
    new SeedInvalid({
      seed: text,
      message:
        `--seed ${text}: ${nearest === undefined ? "" : `did you mean ${nearest}? `}expected a whole number, a range ` +
        `or a list, such as 3, 1-5 or 1,4,9; at most ${mostSeeds} seeds`
    })
  )
}

/** Canonical text of ascending seeds. */
export const seedsText = (seeds: ReadonlyArray<number>): string => {
  const parts: Array<string> = []
  for (let index = 0; index < seeds.length; ) {
    let end = index
    while (end + 1 < seeds.length && seeds[end + 1] === seeds[end]! + 1) end++
    if (end - index >= 2) {
      parts.push(`${seeds[index]}-${seeds[end]}`)
      index = end + 1
    } else parts.push(String(seeds[index++]))
  }
  return parts.join(",")
}
