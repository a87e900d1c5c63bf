// Streams the bytes of a file in chunks of at most `readChunkBytes`, and reads the next chunk while the consumer works
// on the last one. The file stays readable to the end of the stream even if it is removed meanwhile.

import { Cause, Effect, type Pull, Stream } from "effect"
import { BlobStoreError } from "../../roles/services/blob-store.ts"
import { type DiskFiles, diskError } from "./disk-files.ts"
import { StoreLimits } from "./limits.ts"

/** Bytes [start, end) of the file at `path`; fails when the file ends before `end`. */
export const readFileRange = (
  files: DiskFiles,
  path: string,
  start: number,
  end: number
): Stream.Stream<Uint8Array, BlobStoreError> =>
  Stream.scoped(
    Stream.fromPull(
      Effect.gen(function* () {
        const file = yield* Effect.acquireRelease(openForReading(files, path), (opened) => opened.release)
        const { readChunkBytes } = yield* StoreLimits
        let at = start
        const readNext = (): ChunkRead | undefined => {
          if (at >= end) return undefined
          const chunk = startRead(files, path, file.descriptor, at, Math.min(readChunkBytes, end - at))
          at += chunk.length
          file.reading = chunk
          return chunk
        }
        let next = readNext()
        return Effect.suspend((): Pull.Pull<readonly [Uint8Array], BlobStoreError> => {
          const current = next
          if (current === undefined) return Cause.done()
          return Effect.map(current.result, (bytes) => {
            next = readNext()
            return [bytes] as const
          })
        })
      })
    )
  )

interface OpenForReading {
  readonly descriptor: number
  reading: ChunkRead | undefined
  /** Closes the file once the running read has ended. */
  readonly release: Effect.Effect<void>
}

const openForReading = (files: DiskFiles, path: string): Effect.Effect<OpenForReading, BlobStoreError> =>
  Effect.map(files.openUnscoped(path, "read"), (descriptor) => {
    const opened: OpenForReading = {
      descriptor,
      reading: undefined,
      release: Effect.suspend(() =>
        Effect.andThen(
          opened.reading === undefined ? Effect.void : Effect.ignore(opened.reading.result),
          files.close(descriptor)
        )
      )
    }
    return opened
  })

interface ChunkRead {
  readonly length: number
  readonly result: Effect.Effect<Uint8Array, BlobStoreError>
}

/** Begins to read at once. `result` waits for the bytes. */
const startRead = (
  files: DiskFiles,
  path: string,
  descriptor: number,
  at: number,
  length: number
): ChunkRead => {
  const bytes = Buffer.allocUnsafeSlow(length)
  let outcome: Effect.Effect<Uint8Array, BlobStoreError> | undefined
  let waiting: ((outcome: Effect.Effect<Uint8Array, BlobStoreError>) => void) | undefined
  files.disk.read(descriptor, bytes, at, (error, count) => {
    if (error !== null) outcome = Effect.fail(diskError("read", path, error))
    else if (count < length) outcome = Effect.fail(endedEarly(path, at + count))
    else outcome = Effect.succeed(bytes)
    waiting?.(outcome)
  })
  return {
    length,
    result: Effect.callback((resume) => {
      if (outcome !== undefined) resume(outcome)
      else waiting = resume
    })
  }
}

const endedEarly = (path: string, at: number): BlobStoreError =>
  new BlobStoreError({
    reason: "io",
    message: `cannot read ${path}: it ends at byte ${at}, shorter than its record; remove it so that it is fetched again`
  })
