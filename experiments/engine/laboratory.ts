// What surrounds a run: the experiments that exist, the module from which threads load them, the folder of all reports,
// and how the sources of one run are told from those of another. The command line has one laboratory; tests make others.

import type { Effect } from "effect"
import type { Experiment } from "./experiment.ts"
import type { Fingerprints, SourcesUnreadable } from "./fingerprint.ts"

export interface Laboratory {
  readonly registry: ReadonlyArray<Experiment>
  /** URL of a module whose `experiments` are the registry. */
  readonly module: string
  /** Folder of all reports. */
  readonly reports: string
  readonly fingerprints: (name: string) => Effect.Effect<Fingerprints, SourcesUnreadable>
  /** Gives a check of whether the sources of all experiments are what they are now. */
  readonly watchSources: Effect.Effect<() => boolean, SourcesUnreadable>
}
