// One worker thread as the runner sees it. It starts with the first cell and measures one cell at a time. It ends at
// once when nobody waits for its cell any more, even in the middle of a simulation; Effect's Worker would ask the
// thread to end and wait, and a running simulation does not listen. When a thread crashes, its cell fails.
//
//   none -> started -> busy -> idle -> busy ...
//                       busy -> crashed or interrupted: ended, none

import { Worker } from "node:worker_threads"
import { Data, Effect } from "effect"
import type { FromWorker, MeasureThis, WorkerSetup } from "./cell-messages.ts"
import { ExperimentFailed } from "./experiment.ts"
import type { Progress } from "./progress.ts"

/** The thread ended without an answer for its cell. */
export class CellCrashed extends Data.TaggedError("CellCrashed")<{ readonly message: string }> {}

export interface CellThread {
  /** The outcome as JSON. */
  readonly measure: (
    cell: MeasureThis,
    progress: Progress
  ) => Effect.Effect<string, ExperimentFailed | CellCrashed>
  /** Ends the thread, which frees its memory. The next cell starts another one. */
  readonly end: Effect.Effect<void>
}

export interface ThreadOptions extends WorkerSetup {
  /** Maximum size of its heap in bytes. */
  readonly heap: number
  /** Whether the thread loads the same sources as this process has loaded. */
  readonly sourcesAreTheSame: () => boolean
}

const mebibyte = 1024 ** 2

/** Space for short-lived objects: a larger one than the default makes simulations a tenth faster. */
const youngMebibytes = 192

const startWorker = ({ registry, heap }: ThreadOptions): Worker =>
  new Worker(new URL("./cell-worker.ts", import.meta.url), {
    workerData: { registry } satisfies WorkerSetup,
    execArgv: [],
    resourceLimits: {
      maxOldGenerationSizeMb: Math.ceil(heap / mebibyte),
      maxYoungGenerationSizeMb: youngMebibytes
    }
  })

const crashText = (error: Error & { readonly code?: string }, heap: number): string =>
  error.code === "ERR_WORKER_OUT_OF_MEMORY"
    ? `its thread ran out of memory (${Math.round(heap / mebibyte)} MiB)`
    : `its thread crashed: ${error.message}`

interface Asked {
  readonly experiment: string
  readonly progress: Progress
  readonly resume: (answer: Effect.Effect<string, ExperimentFailed | CellCrashed>) => void
}

/** Makes a thread that is not started yet. */
export const makeCellThread = (options: ThreadOptions): CellThread => {
  let worker: Worker | undefined
  let asked: Asked | undefined

  const answer = (outcome: Effect.Effect<string, ExperimentFailed | CellCrashed>): void => {
    const { resume } = asked ?? { resume: () => {} }
    asked = undefined
    resume(outcome)
  }
  const crashed = (reason: string): void => {
    void worker?.terminate()
    worker = undefined
    answer(Effect.fail(new CellCrashed({ message: `${asked?.experiment ?? "a cell"}: ${reason}` })))
  }
  const hear = (message: FromWorker): void => {
    if (message.tag === "progress") asked?.progress.update(message.done, message.note)
    else if (message.tag === "outcome") answer(Effect.succeed(message.json))
    else if (message.tag === "failed") {
      const experiment = asked?.experiment ?? ""
      answer(Effect.fail(new ExperimentFailed({ experiment, message: message.message })))
    } else if (!options.sourcesAreTheSame()) {
      crashed("the sources changed since this run began: start it again; finished runs are kept")
    }
  }

  const start = (): Worker => {
    const started = startWorker(options)
    // Messages of a thread that was ended are ignored.
    const whileCurrent =
      <A>(listener: (value: A) => void) =>
      (value: A): void => {
        if (worker === started) listener(value)
      }
    started.on("message", whileCurrent(hear))
    started.on(
      "error",
      whileCurrent((error) => crashed(crashText(error as Error, options.heap)))
    )
    started.on(
      "exit",
      whileCurrent((code: number) => crashed(`its thread ended by itself with code ${code}`))
    )
    return started
  }

  const end = Effect.suspend(() => {
    const ended = worker
    worker = undefined
    asked = undefined
    return ended === undefined ? Effect.void : Effect.asVoid(Effect.promise(() => ended.terminate()))
  })

  const measure: CellThread["measure"] = (cell, progress) =>
    Effect.callback((resume) => {
      asked = { experiment: cell.experiment, progress, resume }
      worker ??= start()
      worker.postMessage(cell)
      return end
    })

  return { measure, end }
}
