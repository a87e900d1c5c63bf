// Counts of values by bucket, for metrics: plain numbers, so that a machine may count once per piece. It does not know
// what the values are or who reads them.
//
// Invariants: every value is in exactly one bucket, and one that is equal to a bound is below it; the buckets are as
// many as the bounds, and one for what is above all of them. Nothing is kept before the first value.

export class Histogram {
  /** Upper bounds of the buckets, ascending. Shared by all histograms of one metric. */
  readonly bounds: readonly number[]
  sum = 0
  #counts: Float64Array | undefined

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
  }

  observe(value: number): void {
    this.#counts ??= new Float64Array(this.bounds.length + 1)
    let bucket = 0
    while (bucket < this.bounds.length && value > this.bounds[bucket]!) bucket++
    this.#counts[bucket]!++
    this.sum += value
  }

  /** Number of values. */
  get count(): number {
    return this.#counts?.reduce((sum, count) => sum + count) ?? 0
  }

  /** For each bound, how many values are not above it. */
  cumulative(): ReadonlyArray<readonly [bound: number, count: number]> {
    let below = 0
    return this.bounds.map((bound, bucket) => {
      below += this.#counts?.[bucket] ?? 0
      return [bound, below]
    })
  }
}
