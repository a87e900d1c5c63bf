// Measures the cells of an experiment: outcomes that an earlier run kept are reused, the other cells go to the pool,
// the longest first, and their outcomes are kept as they arrive. Invariants: outcomes are in the order of the cells; a
// failure names its cell.

import { Data, Effect } from "effect"
import { invariant } from "../../src/protocol/kit/invariant.ts"
import type { ReportUnwritable } from "../report/report-files.ts"
import {
  type CellPool,
  type CellTooLarge,
  mebibytes,
  memoryBesideCells,
  refuseTooLarge
} from "./cell-pool.ts"
import type { CellStore } from "./cell-store.ts"
import type { Cell, CellOutcome } from "./experiment.ts"
import { type Progress, progressOfParts, silentProgress } from "./progress.ts"
import type { MeasureCells } from "./report.ts"

/** A check of a cell failed, or its thread crashed. */
export class CellFailed extends Data.TaggedError("CellFailed")<{
  readonly experiment: string
  /** Its label. */
  readonly cell: string
  readonly message: string
}> {}

export type MeasureError = CellFailed | CellTooLarge | ReportUnwritable

export interface MeasureOptions {
  readonly pool: CellPool
  /** Keeps finished cells; nothing is kept when absent. */
  readonly store?: CellStore
  readonly progress?: Progress
  /** Receives a line about what is going to run, before it runs. */
  readonly announce?: (line: string) => Effect.Effect<void>
}

/** Number of runs and of threads, and the memory that they need. */
const describe = (cells: ReadonlyArray<Cell<unknown>>, kept: number, pool: CellPool): string => {
  const threads = Math.min(pool.workers, cells.length)
  const largest = cells.map(({ memory }) => memory).sort((left, right) => right - left)
  const ofCells = largest.slice(0, threads).reduce((sum, bytes) => sum + bytes, 0)
  const memory = Math.min(ofCells, pool.budget) + memoryBesideCells(pool.workers === 1 ? 1 : threads)
  const total = cells.length + kept
  const keptText = kept === 0 ? "" : `, ${kept} of them kept from an earlier run`
  const where =
    cells.length === 0
      ? "nothing is left to do"
      : `${threads === 1 ? "one" : threads} at a time, which need about ${mebibytes(memory)} of memory`
  return `${total === 1 ? "1 run" : `${total} runs`}${keptText}; ${where}`
}

/** Measures cells in `pool`. */
export const measureIn =
  ({ pool, store, progress = silentProgress, announce }: MeasureOptions): MeasureCells<MeasureError> =>
  (experiment, cells) =>
    Effect.gen(function* () {
      invariant(
        new Set(cells.map(({ label }) => label)).size === cells.length,
        `the labels of the cells of ${experiment.name} differ`
      )
      yield* refuseTooLarge(experiment.name, cells, pool)
      const outcomes: Array<CellOutcome | undefined> =
        store === undefined
          ? cells.map(() => undefined)
          : yield* Effect.forEach(cells, store.find, { concurrency: 16 })
      const rest = cells.flatMap((cell, index) => (outcomes[index] === undefined ? [{ cell, index }] : []))
      rest.sort((left, right) => right.cell.cost - left.cell.cost || left.index - right.index)
      const restCells = rest.map(({ cell }) => cell)
      yield* announce?.(describe(restCells, cells.length - rest.length, pool)) ?? Effect.void

      const parts = progressOfParts(
        restCells.map(({ cost }) => cost),
        progress
      )
      yield* Effect.forEach(
        rest,
        ({ cell, index }, position) =>
          Effect.gen(function* () {
            const part = parts[position] ?? silentProgress
            const outcome = yield* pool.measure(experiment, cell, part).pipe(
              Effect.mapError(
                ({ message }) =>
                  new CellFailed({
                    experiment: experiment.name,
                    cell: cell.label,
                    message: `${message} (in the run "${cell.label}")`
                  })
              )
            )
            yield* store?.keep(cell, outcome) ?? Effect.void
            outcomes[index] = outcome
            part.finish()
          }),
        { concurrency: "unbounded", discard: true }
      )
      return outcomes.map((outcome) => {
        invariant(outcome !== undefined, "every cell was measured or kept")
        return outcome
      })
    })
