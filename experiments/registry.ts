// All experiments, in the order in which they are listed, run and shown.

import { adversity } from "./adversity/adversity.ts"
import type { Experiment } from "./engine/experiment.ts"
import { firstWave } from "./first-wave/first-wave.ts"
import { krakenBenchmark } from "./kraken-benchmark/kraken-benchmark.ts"
import { krakenVersusNet } from "./kraken-versus-net/kraken-versus-net.ts"
import { policies } from "./policies/policies.ts"
import { scale } from "./scale/scale.ts"
import { severalImages } from "./several-images/several-images.ts"
import { simVersusNet } from "./sim-versus-net/sim-versus-net.ts"

export const experiments: ReadonlyArray<Experiment> = [
  firstWave,
  krakenBenchmark,
  policies,
  scale,
  adversity,
  severalImages,
  simVersusNet,
  krakenVersusNet
]
