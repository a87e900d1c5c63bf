// The failure of the bench of real processes: one line that says which part failed, how, and where its log is.

import { Data } from "effect"

export class RealBenchFailed extends Data.TaggedError("RealBenchFailed")<{ readonly message: string }> {}

/** A contender of the bench that this machine does not have. It is left out, unless nothing remains. */
export class ContenderMissing extends Data.TaggedError("ContenderMissing")<{ readonly message: string }> {}
