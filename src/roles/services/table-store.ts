// Table store of a host, for small durable records such as tags and manifests: tables of text keys and text values in
// key order. runtime-net uses SQLite, runtime-sim a map that survives a simulated crash.
//
// Invariants: a write that succeeded survives a crash. Keys are ordered by UTF-16 code units, like JavaScript's <.

import { Data, type Effect, type Option } from "effect"

export class TableStoreError extends Data.TaggedError("TableStoreError")<{
  readonly message: string
}> {}

export interface TableRow {
  readonly key: string
  readonly value: string
}

export type TableWrite =
  | { readonly tag: "Put"; readonly table: string; readonly key: string; readonly value: string }
  | { readonly tag: "Delete"; readonly table: string; readonly key: string }

export interface TableStore {
  readonly get: (table: string, key: string) => Effect.Effect<Option.Option<string>, TableStoreError>
  /** Applies all writes or none. */
  readonly write: (writes: ReadonlyArray<TableWrite>) => Effect.Effect<void, TableStoreError>
  /** Rows whose key begins with `prefix` and is greater than `after`, in key order, at most `limit`. */
  readonly scan: (
    table: string,
    options: { readonly prefix: string; readonly after?: string; readonly limit: number }
  ) => Effect.Effect<ReadonlyArray<TableRow>, TableStoreError>
}
