// Decides which experiments exist, in the order in which they are listed.

import type { Experiment } from "./experiment.ts"
import { firstWave } from "./first-wave.ts"

export const experiments: ReadonlyArray<Experiment> = [firstWave]
