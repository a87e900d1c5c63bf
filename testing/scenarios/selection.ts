// Selection of scenarios: all, or those whose name contains a text. An empty selection is an error, so that no run
// succeeds without a scenario.

import type { Scenario } from "./scenario.ts"
import { scenarios } from "./suite.ts"

/** The scenarios whose name contains `text`, or all for undefined; throws if there are none. */
export const selectScenarios = (text: string | undefined): ReadonlyArray<Scenario> => {
  const selected = text === undefined ? scenarios : scenarios.filter(({ name }) => name.includes(text))
  if (selected.length === 0) {
    throw new Error(
      `no scenario's name contains "${text}"; there are: ${scenarios.map(({ name }) => name).join("; ")}`
    )
  }
  return selected
}
