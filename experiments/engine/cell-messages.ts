// Decides what is said between the runner and a worker thread that measures cells: one cell is asked for at a time,
// progress is told while it runs, and one answer ends it.

/** What a worker is started with. */
export interface WorkerSetup {
  /** URL of the module whose `experiments` are the registry. */
  readonly registry: string
}

export interface MeasureThis {
  readonly experiment: string
  readonly input: unknown
}

export type FromWorker =
  /** Every module that it needs is loaded. */
  | { readonly tag: "loaded" }
  /** A fraction from 0 to 1, and what is happening. */
  | { readonly tag: "progress"; readonly done: number; readonly note: string }
  /** The outcome as JSON. */
  | { readonly tag: "outcome"; readonly json: string }
  | { readonly tag: "failed"; readonly message: string }
