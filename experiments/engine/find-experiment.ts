// Lookup of an experiment by its name. The error for an unknown name suggests the nearest one.

import { Data, Effect } from "effect"
import type { Experiment } from "./experiment.ts"
import { namingTheChoices } from "./nearest-name.ts"

export class ExperimentUnknown extends Data.TaggedError("ExperimentUnknown")<{
  readonly experiment: string
  readonly message: string
}> {}

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
