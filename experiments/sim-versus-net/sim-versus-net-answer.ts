// The answer of sim-versus-net in words: how far predictions are from what was measured, and whether that is near
// enough. Loopback is judged apart from shaped links, and Linux's own congestion control apart from others, which share
// links in another way. Pure.

import { figureValue, percent } from "../report/findings.ts"
import type { Findings } from "../report/result.ts"

/** Title of the table of predictions. */
export const comparisonTitle = "Simulated and measured"

/** A prediction is good when the ratio of simulated to measured differs from 1 by no more. */
export const goodWithin = 0.1

/** Linux's own congestion control. */
const usualControl = "cubic"

/** Names of the figures of a congestion control on shaped links. */
export const shapedFigure = {
  predicted: (control: string): string => `shaped_${control}_predicted`,
  simulated: (control: string): string => `shaped_${control}_simulated`
}

const controlsIn = ({ figures }: Findings): ReadonlyArray<string> =>
  Object.keys(figures).flatMap((name) => /^shaped_(.+)_predicted$/.exec(name)?.[1] ?? [])

export const answerOf = (findings: Findings): string => {
  const comparison = findings.tables?.find(({ title }) => title === comparisonTitle)
  const predictions = comparison?.rows.filter((row) => row.includes("prediction")).length ?? 0
  const value = (name: string): number => figureValue(findings, name)
  const off = (name: string): string => percent(value(name))
  if (predictions === 0) {
    return `Nothing is predicted yet. Where constants were fitted, times are off by at most ${off("worst_calibration")}.`
  }
  const controls = controlsIn(findings)
  const hasUsual = controls.includes(usualControl)
  const judged = (kind: "predicted" | "simulated"): ReadonlyArray<string> => [
    `worst_${kind}`,
    ...(hasUsual ? [shapedFigure[kind](usualControl)] : [])
  ]
  const isMissed = (names: ReadonlyArray<string>): boolean => names.some((name) => value(name) > goodWithin)
  const onShaped = hasUsual
    ? ` and ${off(shapedFigure.predicted(usualControl))} on shaped links with ${usualControl}, Linux's default`
    : ""
  const others = controls.filter((control) => control !== usualControl)
  return [
    `Predicted beforehand, p50 and maximum are off by at most ${off("worst_predicted")} on loopback${onShaped}.`,
    `Simulated by the sources of this report, they are off by at most ${judged("simulated").map(off).join(" and ")}; ` +
      `the aim of ${percent(goodWithin)} is ` +
      `${isMissed([...judged("predicted"), ...judged("simulated")]) ? "missed" : "met"}.`,
    ...(others.length === 0
      ? []
      : [
          `With ${others.map((control) => `${control} predictions are off by up to ${off(shapedFigure.predicted(control))}`).join(", with ")}, ` +
            `which ${isMissed(others.map(shapedFigure.predicted)) ? "misses" : "meets"} it.`
        ])
  ].join(" ")
}
