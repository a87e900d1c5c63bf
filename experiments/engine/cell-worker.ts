// Program of a worker thread: it loads the registry once, then measures one cell after the other on request. It binds
// the clock before a simulation forbids it, so that it can send progress at most ten times a second.

import { parentPort, workerData } from "node:worker_threads"
import { Cause, Effect, Exit } from "effect"
import { invariant } from "../../src/protocol/kit/invariant.ts"
import type { FromWorker, MeasureThis, WorkerSetup } from "./cell-messages.ts"
import type { Experiment } from "./experiment.ts"
import { rarely } from "./progress.ts"

invariant(parentPort !== null, "the worker of a cell runs as a thread")
const port = parentPort
const tell = (message: FromWorker): void => port.postMessage(message)

const { registry } = workerData as WorkerSetup
const { experiments } = (await import(registry)) as { readonly experiments: ReadonlyArray<Experiment> }

const answerTo = (exit: Exit.Exit<unknown, { readonly message: string }>): FromWorker => {
  if (Exit.isSuccess(exit)) return { tag: "outcome", json: JSON.stringify(exit.value) }
  const failure = exit.cause.reasons.find(Cause.isFailReason)
  return { tag: "failed", message: failure?.error.message ?? Cause.pretty(exit.cause) }
}

port.on("message", ({ experiment: name, input }: MeasureThis) => {
  const experiment = experiments.find((known) => known.name === name)
  invariant(experiment !== undefined, `the registry ${registry} holds the experiment ${name}`)
  const update = rarely(performance.now.bind(performance), (done, note) =>
    tell({ tag: "progress", done, note })
  )
  Effect.runFork(experiment.measure(input, { update, finish: () => {} })).addObserver((exit) =>
    tell(answerTo(exit))
  )
})
tell({ tag: "loaded" })
