// Source of random numbers, the only one that a machine has. The world owns the generator and seeds it, in simulations
// and on sockets alike, with one stream per component; so a run can be repeated.

export interface RandomSource {
  /** A uniform integer in [0, bound). `bound` is a positive integer of at most 2^31. */
  readonly nextInt: (bound: number) => number
}
