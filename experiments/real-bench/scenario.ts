// The interface of a scenario: one run of one system under one load, which gives a sample of numbers. Several rows of
// the table read the same sample.

import type { Effect, Scope } from "effect"
import type { RealBenchFailed } from "./bench-failed.ts"
import type { Bulk } from "./client-jobs.ts"
import type { Scale } from "./scale.ts"
import type { System, SystemName } from "./system.ts"

/** Numbers of a run by their metric, in seconds, bytes, or images a second. */
export type Sample = Readonly<Record<string, number>>

interface ScenarioContext {
  readonly scale: Scale
  /** An empty folder. */
  readonly folder: string
  /** A blob of this length, always the same one. */
  readonly bulkOf: (length: number) => Bulk
}

export interface Scenario {
  readonly name: string
  /** The systems that it makes sense for. */
  readonly systems: ReadonlyArray<SystemName>
  readonly run: (
    system: System,
    context: ScenarioContext
  ) => Effect.Effect<Sample, RealBenchFailed, Scope.Scope>
}
