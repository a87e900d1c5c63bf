// Lock of a data folder for one process at a time: an exclusive lock of SQLite on a small file, which the system
// releases when the process ends, however it ends. Without it a second process would clean away what the first is
// writing.

import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Effect, type Scope } from "effect"
import { BlobStoreError } from "../../roles/services/blob-store.ts"
import { diskError } from "./disk-files.ts"

const lockFile = "lock"

/** SQLite's code for "someone else holds the lock". */
const busy = 5

/** Holds the folder until the scope closes, and creates it if it does not exist. */
export const holdFolder = (folder: string): Effect.Effect<void, BlobStoreError, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.try({ try: () => takeLock(folder), catch: (cause) => whyNot(folder, cause) }),
      (lock) => Effect.sync(() => lock.close())
    )
  )

const takeLock = (folder: string): DatabaseSync => {
  mkdirSync(folder, { recursive: true })
  const lock = new DatabaseSync(join(folder, lockFile))
  try {
    lock.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE")
  } catch (cause) {
    lock.close()
    throw cause
  }
  return lock
}

const whyNot = (folder: string, cause: unknown): BlobStoreError => {
  const error = cause as NodeJS.ErrnoException & { readonly errcode?: number }
  if (error.errcode === undefined) return diskError("open", folder, error)
  return new BlobStoreError({
    reason: "io",
    message:
      error.errcode === busy
        ? `cannot open ${folder}: another process uses it; stop that one or choose another folder`
        : `cannot open ${folder}: ${error.message}; make it writable for this user or choose another folder`
  })
}
