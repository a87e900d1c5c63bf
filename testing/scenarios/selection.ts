// Decides which scenarios a run plays: all, or those whose name contains a text. A selection of nothing is an error, so
// that no run is green because it played none.

import type { Scenario } from "./scenario.ts"
import { scenarios } from "./suite.ts"

/** The scenarios whose name contains `text`, all without one; throws when that is none. */
export const selectScenarios = (text: string | undefined): ReadonlyArray<Scenario> => {
  const selected = text === undefined ? scenarios : scenarios.filter(({ name }) => name.includes(text))
  if (selected.length === 0) {
    throw new Error(
      `no scenario's name contains "${text}"; there are: ${scenarios.map(({ name }) => name).join("; ")}`
    )
  }
  return selected
}
