// Equivalent mutants, which no test can notice, listed one by one in equivalent.json with the reason. They count
// neither as survivors nor in the score.

import { readFileSync } from "node:fs"
import { type Mutant, type MutantName, nameOf, sameName } from "./mutants.ts"

export interface EquivalentMutant extends MutantName {
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
  return known.find((one) => sameName(one, name))?.reason
}
