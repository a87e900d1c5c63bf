// The experiments that exist, in the order in which they are listed, run and shown.

import { adversity } from "./adversity.ts"
import type { Experiment } from "./experiment.ts"
import { firstWave } from "./first-wave.ts"
import { krakenBenchmark } from "./kraken-benchmark.ts"
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
