// The answer of kraken-versus-net in words: how far the simulated Kraken is from the real one, under fair links and
// under queues. Pure.

import { figureValue, percent } from "../report/findings.ts"
import type { Findings } from "../report/result.ts"

/** A simulated makespan is good when its ratio to the measured one differs from 1 by no more. */
export const goodWithin = 0.15

export const answerOf = (findings: Findings): string => {
  const [fair, queue] = [figureValue(findings, "worst_fair"), figureValue(findings, "worst_queue")]
  return (
    `On fair links the simulated Kraken takes as long as the real one to within ${percent(fair)}, and on queues to ` +
    `within ${percent(queue)}. The aim of ${percent(goodWithin)} is ${fair > goodWithin ? "missed" : "met"}.`
  )
}
