// Equivalent mutants, which no test can notice, listed one by one in equivalent.json with the reason. They count
// neither as survivors nor in the score.

import { readFileSync } from "node:fs"
import { type Mutant, type MutantName, nameOf, sameName } from "./mutants.ts"

export interface EquivalentMutant extends MutantName {
  /** Which one of those with this name in the file, counted from 0; the first when absent. */
  readonly occurrence?: number
  readonly reason: string
}

const text = readFileSync(new URL("./equivalent.json", import.meta.url), "utf8")

export const equivalentMutants: ReadonlyArray<EquivalentMutant> = JSON.parse(text)

/** The reason why the mutant is equivalent; undefined when it is not known to be. */
export const equivalence = (
  mutant: Mutant,
  known: ReadonlyArray<EquivalentMutant> = equivalentMutants
): string | undefined => {
  const name = nameOf(mutant)
  return known.find((one) => sameName(one, name) && (one.occurrence ?? 0) === mutant.occurrence)?.reason
}

/** Those known that are none of the mutants, of whose files these are all: their lines have changed. */
export const staleEquivalents = (
  mutants: ReadonlyArray<Mutant>,
  known: ReadonlyArray<EquivalentMutant> = equivalentMutants
): ReadonlyArray<EquivalentMutant> => {
  const files = new Set(mutants.map((mutant) => nameOf(mutant).file))
  return known.filter(
    (one) => files.has(one.file) && !mutants.some((mutant) => equivalence(mutant, [one]) !== undefined)
  )
}
