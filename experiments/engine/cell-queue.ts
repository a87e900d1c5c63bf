// Decides which cell runs when: of those that wait, the longest for which there is a place, and memory beside the cells
// that run. A cell that is given up gives its place back.

import { Effect } from "effect"
import type { CellCrashed } from "./cell-thread.ts"
import type { Cell, CellOutcome, Experiment, ExperimentFailed } from "./experiment.ts"
import type { Progress } from "./progress.ts"

export type MeasureCell = (
  experiment: Experiment,
  cell: Cell<unknown>,
  progress: Progress
) => Effect.Effect<CellOutcome, ExperimentFailed | CellCrashed>

/** A place that measures one cell at a time. */
export interface Slot {
  readonly measure: MeasureCell
}

interface Waiting {
  readonly cell: Cell<unknown>
  readonly grant: (slot: Slot) => void
}

/** Shares `slots` among all who ask. `budget` is in bytes; no cell may need more. */
export const makeCellQueue = (slots: ReadonlyArray<Slot>, budget: number): MeasureCell => {
  const free = [...slots].reverse()
  /** Longest first; of equals, those that came first. */
  const waiting: Array<Waiting> = []
  let used = 0

  const startWhatFits = (): void => {
    while (free.length > 0) {
      const next = waiting.findIndex(({ cell }) => used + cell.memory <= budget)
      if (next === -1) return
      const [{ cell, grant }] = waiting.splice(next, 1) as [Waiting]
      used += cell.memory
      grant(free.pop()!)
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
