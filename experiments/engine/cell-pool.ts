// Decides where cells run: on as many threads as are asked for, within the memory that the machine has; one worker
// means this thread. Outcomes do not depend on it. A thread that had a cell of a large part of the memory is ended
// after it, because a heap that has grown is given back late.

import { availableParallelism, totalmem } from "node:os"
import { getHeapStatistics } from "node:v8"
import { Data, Effect, type Scope } from "effect"
import { type MeasureCell, makeCellQueue, type Slot } from "./cell-queue.ts"
import { makeCellThread } from "./cell-thread.ts"
import type { Cell } from "./experiment.ts"

/** A cell needs more memory than there is. */
export class CellTooLarge extends Data.TaggedError("CellTooLarge")<{ readonly message: string }> {}

export interface CellPool {
  readonly workers: number
  /** Bytes that all running cells may need together. */
  readonly budget: number
  /** Waits for a thread and for memory, then measures; the outcome has been through JSON. */
  readonly measure: MeasureCell
}

export interface PoolOptions {
  /** Cells at once; 1 runs them in this thread. */
  readonly workers: number
  /** URL of the module whose `experiments` the threads know. */
  readonly registry: string
  /** Whether the sources on the disk are those that this process has loaded. */
  readonly sourcesAreTheSame: () => boolean
  /** Bytes; the machine's when absent. */
  readonly budget?: number
}

/** The rest is the system's and this process's own. */
const usableShare = 0.85
const largeShare = 1 / 8

/** As many as there are cores for this process. */
export const defaultWorkers = (): number => availableParallelism()

const machineMemory = (): number => {
  const constrained = process.constrainedMemory()
  return Math.min(totalmem(), constrained > 0 ? constrained : Number.POSITIVE_INFINITY)
}

const budgetOf = ({ workers, budget }: PoolOptions): number => {
  const machine = Math.floor(budget ?? machineMemory() * usableShare)
  return workers === 1 ? Math.min(machine, getHeapStatistics().heap_size_limit) : machine
}

export const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 1024 ** 2)} MiB`

/** Refuses what would never start. */
export const refuseTooLarge = (
  name: string,
  cells: ReadonlyArray<Cell<unknown>>,
  pool: CellPool
): Effect.Effect<void, CellTooLarge> => {
  const large = cells.find(({ memory }) => memory > pool.budget)
  if (large === undefined) return Effect.void
  const where = pool.workers === 1 ? "this thread has" : "this machine has"
  const remedy = pool.workers === 1 ? "take --workers 2, or choose smaller options" : "choose smaller options"
  return Effect.fail(
    new CellTooLarge({
      message:
        `${name}: the run "${large.label}" needs about ${mebibytes(large.memory)} of memory and ${where} ` +
        `${mebibytes(pool.budget)} for it: ${remedy}`
    })
  )
}

/** A place that ends with its thread. */
interface PoolSlot extends Slot {
  readonly end: Effect.Effect<void>
}

const slotHere: PoolSlot = {
  measure: (experiment, { input }, progress) =>
    Effect.map(experiment.measure(input, progress), (outcome) => JSON.parse(JSON.stringify(outcome))),
  end: Effect.void
}

const slotInThread = (options: PoolOptions, heap: number): PoolSlot => {
  const thread = makeCellThread({ ...options, heap })
  const measure: Slot["measure"] = (experiment, { input, memory }, progress) =>
    thread.measure({ experiment: experiment.name, input }, progress).pipe(
      Effect.tap(() => (memory > heap * largeShare ? thread.end : Effect.void)),
      Effect.map((json) => JSON.parse(json))
    )
  return { measure, end: thread.end }
}

/** A pool that ends its threads with the scope. */
export const makeCellPool = (options: PoolOptions): Effect.Effect<CellPool, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { workers } = options
    const budget = budgetOf(options)
    const slots = Array.from({ length: workers }, () =>
      workers === 1 ? slotHere : slotInThread(options, budget)
    )
    yield* Effect.addFinalizer(() => Effect.forEach(slots, ({ end }) => end, { discard: true }))
    return { workers, budget, measure: makeCellQueue(slots, budget) }
  })
