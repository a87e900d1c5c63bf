// The access of one process to its machine's disk. Work takes virtual time, and a process that is gone changes
// nothing any more, whatever its fibers still try (the fence).

import { Effect } from "effect"
import type { Micros } from "../../protocol/kit/time.ts"
import { BlobStoreError } from "../../roles/services/blob-store.ts"
import type { EventTarget } from "../kernel/event-queue.ts"
import { eventKinds } from "../kernel/kernel.ts"
import type { SimProcess } from "../network/sim-process.ts"
import type { SimDisk } from "./sim-disk.ts"

export interface StorageFaults {
  /** Changes every piece that is loaded. */
  readonly corruptPieces: boolean
  /** Changes every proof of real bytes that is loaded. */
  readonly corruptProofs: boolean
  /** Bytes that the disk still accepts while this process runs; when undefined, the capacity decides. */
  readonly diskRoom: number | undefined
}

export class StorageSession {
  readonly process: SimProcess
  readonly disk: SimDisk
  readonly faults: StorageFaults

  constructor(process: SimProcess, disk: SimDisk, faults: StorageFaults) {
    this.process = process
    this.disk = disk
    this.faults = faults
    disk.limitRoom(faults.diskRoom)
  }

  /** Waits until `at`. Fails when the process is gone by then. */
  until(at: Micros, operation: string): Effect.Effect<void, BlobStoreError> {
    return Effect.callback<void, BlobStoreError>((resume) => {
      const { kernel, host } = this.process
      const handle = kernel.schedule(at, waiter, eventKinds.storage, host.index, () =>
        resume(this.process.alive ? Effect.void : Effect.fail(this.fenced(operation)))
      )
      return Effect.sync(() => {
        kernel.cancel(handle)
      })
    })
  }

  /** Fails at once when the process is gone. */
  checkAlive(operation: string): Effect.Effect<void, BlobStoreError> {
    return Effect.suspend(() => (this.process.alive ? Effect.void : Effect.fail(this.fenced(operation))))
  }

  fenced(operation: string): BlobStoreError {
    return this.error(operation, "the host was stopped")
  }

  error(operation: string, why: string): BlobStoreError {
    const message = `cannot ${operation} on ${this.process.name}: ${why}`
    return new BlobStoreError({ reason: "io", message })
  }

  full(operation: string): BlobStoreError {
    const message = `cannot ${operation} on ${this.process.name}: its disk is full; free some space`
    return new BlobStoreError({ reason: "full", message })
  }
}

const waiter: EventTarget = {
  fire: (_kind, subject) => (subject as () => void)()
}
