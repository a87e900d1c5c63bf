// The surroundings of a run: all experiments, the module from which threads load them, the folder of all reports, and
// the fingerprints of the sources. The command line has one laboratory; tests make others.

import type { Effect } from "effect"
import type { Experiment } from "./experiment.ts"
import type { Fingerprints, SourcesUnreadable } from "./fingerprint.ts"

export interface Laboratory {
  readonly registry: ReadonlyArray<Experiment>
  /** URL of the module that exports the registry as `experiments`. */
  readonly module: string
  /** Folder of all reports. */
  readonly reports: string
  readonly fingerprints: (name: string) => Effect.Effect<Fingerprints, SourcesUnreadable>
  /** Gives a check whether the sources of all experiments are still the same. */
  readonly watchSources: Effect.Effect<() => boolean, SourcesUnreadable>
}
