// Text form of seeds: one ("3"), a range ("1-5"), or a list of both ("1,4,9-12"). Canonical text is ascending and
// without repetition, and writes three or more in a row as a range. The order in which seeds are typed has no meaning.

import { Data, Effect } from "effect"

export class SeedInvalid extends Data.TaggedError("SeedInvalid")<{
  readonly seed: string
  readonly message: string
}> {}

/** Larger numbers are typing errors: nobody waits for so many runs. */
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

/** The valid form nearest to an invalid one: other signs for "to" and "and", or ends in the wrong order. */
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
  const runs: Array<{ readonly first: number; readonly last: number }> = []
  for (const seed of seeds) {
    const run = runs.at(-1)
    if (run?.last === seed - 1) runs.splice(-1, 1, { first: run.first, last: seed })
    else runs.push({ first: seed, last: seed })
  }
  return runs
    .map(({ first, last }) => {
      if (first === last) return String(first)
      return last === first + 1 ? `${first},${last}` : `${first}-${last}`
    })
    .join(",")
}
