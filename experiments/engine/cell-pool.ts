// Pool of worker threads that measure cells within the memory of the machine; one worker means this thread. Invariant:
// outcomes do not depend on the pool. A thread ends after a cell that needs a large part of the memory, because Node
// returns a grown heap late.

import { availableParallelism, totalmem } from "node:os"
import { getHeapStatistics } from "node:v8"
import { Data, Effect, type Scope } from "effect"
import { type MeasureCell, makeCellQueue, type Slot } from "./cell-queue.ts"
import { makeCellThread } from "./cell-thread.ts"
import type { Cell } from "./experiment.ts"

/** A cell needs more memory than the pool has. */
export class CellTooLarge extends Data.TaggedError("CellTooLarge")<{ readonly message: string }> {}

export interface CellPool {
  readonly workers: number
  /** Bytes for all running cells together. */
  readonly budget: number
  /** Waits for a thread and for memory, then measures. The outcome has made a trip through JSON. */
  readonly measure: MeasureCell
}

export interface PoolOptions {
  /** Number of cells at the same time; 1 runs them in this thread. */
  readonly workers: number
  /** URL of the module that exports the registry as `experiments`. */
  readonly registry: string
  /** Whether the sources on the disk are still those that this process has loaded. */
  readonly sourcesAreTheSame: () => boolean
  /** Bytes; those of the machine when absent. */
  readonly budget?: number
}

/** Share of the memory for experiments; the rest is for the system. */
const usableShare = 0.85

const mebibyte = 1024 ** 2

/**
 * What a run takes that measures almost nothing: 516 MiB with this thread alone (first-wave with 10 agents; the most of
 * it for the bundler of fingerprints and for the drawing of charts), 752 with two further threads and 996 with four.
 */
const processBytes = 510 * mebibyte
const threadBytes = 122 * mebibyte

/** Memory of a run beside that of its cells, with so many threads that measure. */
export const memoryBesideCells = (workers: number): number =>
  processBytes + (workers === 1 ? 0 : workers * threadBytes)

/** A cell that needs this share of a thread's heap ends its thread: starting one costs less than 1 s. */
const largeShare = 1 / 8

/** One worker for each core that this process may use. */
export const defaultWorkers = (): number => availableParallelism()

const machineMemory = (): number => {
  const constrained = process.constrainedMemory()
  return Math.min(totalmem(), constrained > 0 ? constrained : Number.POSITIVE_INFINITY)
}

const budgetOf = ({ workers, budget }: PoolOptions): number => {
  const machine = Math.floor(budget ?? machineMemory() * usableShare - memoryBesideCells(workers))
  return workers === 1 ? Math.min(machine, getHeapStatistics().heap_size_limit) : machine
}

export const mebibytes = (bytes: number): string => `${Math.ceil(bytes / mebibyte)} MiB`

/** Refuses cells that would never start. */
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

/** A slot that can end its thread. */
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

/** Makes a pool that ends its threads with the scope. */
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
