// The answer of first-wave in words: when the last agent has the blob, and when half of them have it. Pure.

import { blobTimes } from "../report/findings.ts"
import type { Findings } from "../report/result.ts"

export const answerOf = ({ agents }: { readonly agents: number }, findings: Findings): string => {
  const times = blobTimes(findings, "shoal")
  const { seeds } = findings
  return [
    `The last of ${agents} agents has the blob after ${times.max_s.toFixed(3)} s, ${times.ratio.max.toFixed(3)} times the bound.`,
    `Half of them have it after ${times.p50_s.toFixed(3)} s.`,
    ...(/^\d+$/.test(seeds)
      ? []
      : [`Times are of all runs, figures and charts of the first of the seeds ${seeds}.`])
  ].join(" ")
}
