// The interface of randomness for machines. The world owns the generator (seeded in simulation and on sockets alike,
// one stream per component), so a run can be repeated.

export interface RandomSource {
  /** A uniform integer in [0, bound). `bound` is a positive integer of at most 2^31. */
  readonly nextInt: (bound: number) => number
}
