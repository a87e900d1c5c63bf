// The answer of adversity in words: what the worst host takes with all troubles at once and without any, and which
// scenarios miss the aim. Pure.

import { figureValue } from "../report/findings.ts"
import type { Findings } from "../report/result.ts"

/** The worst ratio of a host to its bound that is aimed at in every scenario. */
export const aim = 1.25

/** The name of a scenario's figure. */
export const ratioName = (scenario: string): string => `ratio_${scenario.replaceAll(" ", "_")}`

/** `scenarios`: their names, the calm one first and all troubles together last. */
export const answerOf = (scenarios: ReadonlyArray<string>, findings: Findings): string => {
  const ratioOf = (scenario: string): number => figureValue(findings, ratioName(scenario))
  const [calm = "", together = ""] = [scenarios[0], scenarios.at(-1)]
  const missed = scenarios.filter((scenario) => ratioOf(scenario) > aim)
  return [
    "Every host that stays gets the blob.",
    `With all troubles at once the worst host takes ${ratioOf(together).toFixed(3)} times its bound, without any ` +
      `${ratioOf(calm).toFixed(3)} times.`,
    missed.length === 0
      ? `Every scenario meets the aim of ${aim}.`
      : `Scenarios that miss the aim of ${aim}: ${missed.join(", ")}.`
  ].join(" ")
}
