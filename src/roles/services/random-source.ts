// Adapter from Effect's Random service to the random source of the protocol's pure machines.

import type { Random } from "effect"
import type { RandomSource } from "../../protocol/kit/random-source.ts"

/** Uniform integers drawn from the fiber's Random service. */
export const randomSource = (random: Random.Random): RandomSource => ({
  nextInt: (bound) => Math.floor(random.nextDoubleUnsafe() * bound)
})
