// Queue of cells for the slots of a pool. The longest waiting cell that fits into the free memory starts first. A cell
// that is interrupted returns its slot and its memory.

import { Effect } from "effect"
import type { CellCrashed } from "./cell-thread.ts"
import type { Cell, CellOutcome, Experiment, ExperimentFailed } from "./experiment.ts"
import type { Progress } from "./progress.ts"

export type MeasureCell = (
  experiment: Experiment,
  cell: Cell<unknown>,
  progress: Progress
) => Effect.Effect<CellOutcome, ExperimentFailed | CellCrashed>

/** Measures one cell at a time. */
export interface Slot {
  readonly measure: MeasureCell
}

interface Waiting {
  readonly cell: Cell<unknown>
  readonly grant: (slot: Slot) => void
}

/** Shares `slots` among all callers. `budget` is in bytes; no cell may need more. */
export const makeCellQueue = (slots: ReadonlyArray<Slot>, budget: number): MeasureCell => {
  const free = [...slots].reverse()
  /** The longest first; among equals the one that came first. */
  const waiting: Array<Waiting> = []
  let used = 0

  const startWhatFits = (): void => {
    for (;;) {
      const next = waiting.find(({ cell }) => used + cell.memory <= budget)
      if (next === undefined) return
      const slot = free.pop()
      if (slot === undefined) return
      waiting.splice(waiting.indexOf(next), 1)
      used += next.cell.memory
      next.grant(slot)
    }
  }
  const enqueue = (entry: Waiting): void => {
    const behind = waiting.findIndex((other) => other.cell.cost < entry.cell.cost)
    waiting.splice(behind === -1 ? waiting.length : behind, 0, entry)
    startWhatFits()
  }

  return (experiment, cell, progress) =>
    Effect.suspend(() => {
      let granted: Slot | undefined
      let entry: Waiting | undefined
      const slot = Effect.callback<Slot>((resume) => {
        const grant = (free: Slot): void => {
          granted = free
          resume(Effect.succeed(free))
        }
        entry = { cell, grant }
        enqueue(entry)
      })
      const leave = Effect.sync(() => {
        if (granted !== undefined) {
          used -= cell.memory
          free.push(granted)
          startWhatFits()
        } else if (entry !== undefined) waiting.splice(waiting.indexOf(entry), 1)
      })
      return Effect.ensuring(
        Effect.flatMap(slot, (place) => place.measure(experiment, cell, progress)),
        leave
      )
    })
}
