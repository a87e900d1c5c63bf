// The answer of several-images in words: how long the last host takes, and how far hosts are from their own floors.
// Pure.

import { figureValue } from "../report/findings.ts"
import type { Findings } from "../report/result.ts"
import { makespanAim } from "./several-images-figures.ts"

export const answerOf = (
  { agents, wanted }: { readonly agents: number; readonly wanted: number },
  findings: Findings
): string => {
  const value = (name: string): string => figureValue(findings, name).toFixed(3)
  const isMet = figureValue(findings, "makespan") <= makespanAim
  const seeds = /^\d+$/.test(findings.seeds) ? "" : `, by the median of the seeds ${findings.seeds}`
  return (
    `The last of ${agents} hosts has its ${wanted} blobs after ${value("makespan")} times the fluid bound${seeds}; ` +
    `the aim of ${makespanAim} is ${isMet ? "met" : "missed"}. ` +
    `The median host takes ${value("own_floor_p50")} times what its own downlink needs, and the worst ` +
    `${value("own_floor_max")} times.`
  )
}
