// Decides which experiments exist, in the order in which they are listed, and how one is found by its name.

import { Data, Effect } from "effect"
import { adversity } from "./adversity.ts"
import type { Experiment } from "./experiment.ts"
import { firstWave } from "./first-wave.ts"
import { krakenBenchmark } from "./kraken-benchmark.ts"
import { namingTheChoices } from "./nearest-name.ts"
import { policies } from "./policies.ts"
import { scale } from "./scale.ts"
import { simVersusNet } from "./sim-versus-net.ts"

export const experiments: ReadonlyArray<Experiment> = [
  firstWave,
  krakenBenchmark,
  policies,
  scale,
  adversity,
  simVersusNet
]

export class ExperimentUnknown extends Data.TaggedError("ExperimentUnknown")<{
  readonly experiment: string
  readonly message: string
}> {}

/** The experiment of that name; the nearest name is told when there is none. */
export const findExperiment = (
  name: string,
  registry: ReadonlyArray<Experiment>
): Effect.Effect<Experiment, ExperimentUnknown> => {
  const found = registry.find((experiment) => experiment.name === name)
  if (found !== undefined) return Effect.succeed(found)
  const names = registry.map((experiment) => experiment.name)
  return Effect.fail(
    new ExperimentUnknown({
      experiment: name,
      message: `unknown experiment ${name}: ${namingTheChoices(name, names)}`
    })
  )
}
