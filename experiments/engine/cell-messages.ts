// Messages between the runner and a worker thread that measures cells. The runner requests one cell at a time; the
// worker sends progress while it runs, and one answer that ends it.

/** Data with which a worker starts. */
export interface WorkerSetup {
  /** URL of the module that exports the registry as `experiments`. */
  readonly registry: string
}

export interface MeasureThis {
  readonly experiment: string
  readonly input: unknown
}

export type FromWorker =
  /** All modules are loaded. */
  | { readonly tag: "loaded" }
  /** A fraction from 0 to 1, and a few words on what is happening. */
  | { readonly tag: "progress"; readonly done: number; readonly note: string }
  /** The outcome as JSON. */
  | { readonly tag: "outcome"; readonly json: string }
  | { readonly tag: "failed"; readonly message: string }
