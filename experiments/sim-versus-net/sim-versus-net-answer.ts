// The answer of sim-versus-net in words: how far predictions are from what was measured, and whether that is near
// enough. Pure.

import { figureValue, percent } from "../report/findings.ts"
import type { Findings } from "../report/result.ts"

/** Title of the table of predictions. */
export const comparisonTitle = "Simulated and measured"

/** A prediction is good when the ratio of simulated to measured differs from 1 by no more. */
export const goodWithin = 0.1

export const answerOf = (findings: Findings): string => {
  const comparison = findings.tables?.find(({ title }) => title === comparisonTitle)
  const predictions = comparison?.rows.filter((row) => row.includes("prediction")).length ?? 0
  const off = (name: string): string => percent(figureValue(findings, name))
  if (predictions === 0) {
    return `Nothing is predicted yet. Where constants were fitted, times are off by at most ${off("worst_calibration")}.`
  }
  const shaped = figureValue(findings, "shaped_measurements")
  const onShaped = (name: string, count: string): string =>
    shaped === 0 ? "" : `, ${count}on shaped links by ${off(name)}`
  const worst = Math.max(
    ...["worst_predicted", "worst_simulated", "worst_shaped_predicted", "worst_shaped_simulated"].map(
      (name) => figureValue(findings, name)
    )
  )
  return [
    `Predicted before the measuring, p50 and maximum of ${predictions} measurements are off by at most ` +
      `${off("worst_predicted")}${onShaped("worst_shaped_predicted", `those of ${shaped} `)}.`,
    "Simulated by the sources of this report, they are off by at most " +
      `${off("worst_simulated")}${onShaped("worst_shaped_simulated", "")}.`,
    `The aim of ${percent(goodWithin)} is ${worst > goodWithin ? "missed" : "met"}.`
  ].join(" ")
}
