// Decides what surrounds a run: the registry, the module from which threads load it, the folder of all reports, and how
// sources are told apart. Tests have one of their own.

import { fileURLToPath } from "node:url"
import type { Effect } from "effect"
import type { Experiment } from "./experiment.ts"
import { type Fingerprints, fingerprintsOf, type SourcesUnreadable, watchSources } from "./fingerprint.ts"
import { experiments } from "./registry.ts"

export interface Laboratory {
  readonly registry: ReadonlyArray<Experiment>
  /** URL of a module whose `experiments` are the registry. */
  readonly module: string
  /** Folder of all reports. */
  readonly reports: string
  readonly fingerprints: (name: string) => Effect.Effect<Fingerprints, SourcesUnreadable>
  /** Tells, whenever it is asked, whether the sources of all experiments are what they are now. */
  readonly watchSources: Effect.Effect<() => boolean, SourcesUnreadable>
}

const module = new URL("./registry.ts", import.meta.url)

/** The one of the command line; reports are under the working directory. */
export const laboratory: Laboratory = {
  registry: experiments,
  module: module.href,
  reports: "reports",
  fingerprints: (name) => fingerprintsOf(name),
  watchSources: watchSources(fileURLToPath(module))
}
