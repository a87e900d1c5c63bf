// Turns a stream of small chunks into few large writes: chunks that arrive during a write are gathered and written
// together next. When too much is gathered, the caller that offers a chunk has to wait.
//
//   idle --offer--> writing --done, more gathered--> writing --done--> idle
//     any --error--> failed: later chunks are dropped, every wait fails
//
// Invariant: written() counts only bytes of writes that succeeded, in order.

import { Effect } from "effect"
import type { BlobStoreError } from "../../roles/services/blob-store.ts"
import type { Disk } from "./disk.ts"
import { diskError } from "./disk-files.ts"

export interface AppendWriter {
  /**
   * Takes a chunk, which must not change any more. If this returns a wait, the caller runs it before the next offer.
   */
  readonly offer: (chunk: Uint8Array) => Effect.Effect<void, BlobStoreError> | undefined
  /** Waits until everything that was offered is written. */
  readonly flush: Effect.Effect<void, BlobStoreError>
  /** Offset in the file at which the written bytes end. */
  readonly written: () => number
}

/** Writes to an open file at `path`, from offset `start` on. Callers wait once `most` bytes are gathered. */
export const writeBehind = (
  disk: Disk,
  path: string,
  file: number,
  start: number,
  most: number
): AppendWriter => {
  let gathered: Array<Uint8Array> = []
  let gatheredBytes = 0
  let writtenTo = start
  let writing = false
  let failure: BlobStoreError | undefined
  let waiters: Array<() => void> = []

  const writeGathered = (): void => {
    const chunks = gathered
    const bytes = gatheredBytes
    gathered = []
    gatheredBytes = 0
    writing = true
    disk.write(file, chunks, writtenTo, (error) => {
      writing = false
      if (error === null) writtenTo += bytes
      else failure = diskError("write", path, error)
      const woken = waiters
      waiters = []
      if (failure === undefined && gatheredBytes > 0) writeGathered()
      for (const wake of woken) wake()
    })
  }

  const oneWrite = Effect.callback<void, BlobStoreError>((resume) => {
    const answer = () => resume(failure === undefined ? Effect.void : Effect.fail(failure))
    if (writing) waiters.push(answer)
    else answer()
  })

  const flush: Effect.Effect<void, BlobStoreError> = Effect.suspend(() =>
    writing
      ? Effect.flatMap(oneWrite, () => flush)
      : failure === undefined
        ? Effect.void
        : Effect.fail(failure)
  )

  return {
    offer: (chunk) => {
      if (failure !== undefined) return Effect.fail(failure)
      gathered.push(chunk)
      gatheredBytes += chunk.length
      if (!writing) writeGathered()
      return gatheredBytes >= most ? oneWrite : undefined
    },
    flush,
    written: () => writtenTo
  }
}
