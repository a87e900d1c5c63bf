// A host that loses its power as a whole: its blob stores are on a disk in memory (power-loss-disk.ts), its tables in
// real SQLite files (torn-tables.ts), and one counter counts the changes of both. After a given number, nothing
// changes any more; then the power fails, and the host starts again on what is left. Tests only.

import { join } from "node:path"
import { Deferred, Effect, Layer } from "effect"
import { HostStorage } from "../../src/roles/services/host-storage.ts"
import { type TableStore, TableStoreError } from "../../src/roles/services/table-store.ts"
import { hostStorage } from "../../src/runtime-net/process/host-storage.ts"
import { makePowerLossDisk } from "./power-loss-disk.ts"
import { readTableFiles, restoreTableFiles, type TableFiles, tornTableFiles } from "./torn-tables.ts"

/** A host's storage from one power loss to the next. */
interface PoweredLife {
  readonly storage: Layer.Layer<HostStorage>
  /** Succeeds when a change was requested that is not made any more. */
  readonly dark: Effect.Effect<void>
}

export interface PowerLossHost {
  /** Changes so far, over all lives. */
  readonly changes: () => number
  /** Starts a life whose power fails after this number of further changes. */
  readonly live: (changesUntilLoss: number) => PoweredLife
  /** Ends the running life with `stop` and loses its power. `keeps` decides what had reached the medium. */
  readonly loseThePower: (stop: Effect.Effect<void>, keeps: () => boolean) => Effect.Effect<void>
  /** Every file of the disk in memory, with its length. */
  readonly files: Effect.Effect<ReadonlyMap<string, number>>
}

/** A host whose data folders are in `root`, a real folder for the tables. */
export const makePowerLossHost = (root: string): PowerLossHost => {
  let tableChanges = 0
  let last = 0
  let darkness = Deferred.makeUnsafe<void>()
  /** Folders whose tables were opened, and the remains of those that were being written at the power loss. */
  const tables = new Set<string>()
  let interrupted:
    | { readonly folder: string; readonly before: TableFiles; readonly after: TableFiles }
    | undefined

  const machine = makePowerLossDisk(() => {
    if (machine.changes() >= last - tableChanges) Deferred.doneUnsafe(darkness, Effect.void)
    return last - tableChanges
  }, root)
  const changes = () => machine.changes() + tableChanges

  const refused = new TableStoreError({ message: "the power went" })

  /** The write that loses the power is made for its remains, and not acknowledged. */
  const counted = (folder: string, store: TableStore): TableStore => ({
    ...store,
    write: (writes) =>
      Effect.gen(function* () {
        if (changes() < last) {
          tableChanges++
          return yield* store.write(writes)
        }
        const first = !Deferred.isDoneUnsafe(darkness)
        Deferred.doneUnsafe(darkness, Effect.void)
        if (!first) return yield* refused
        // Earlier writes may wait for their sync; an empty one comes after them.
        yield* store.write([])
        const before = readTableFiles(folder)
        return yield* Effect.andThen(
          Effect.tap(Effect.ignore(store.write(writes)), () =>
            Effect.sync(() => {
              interrupted = { folder, before, after: readTableFiles(folder) }
            })
          ),
          Effect.fail(refused)
        )
      })
  })

  const live = (changesUntilLoss: number): PoweredLife => {
    last = changes() + changesUntilLoss
    darkness = Deferred.makeUnsafe<void>()
    const storage = Layer.effect(
      HostStorage,
      Effect.map(HostStorage, (real) => ({
        ...real,
        tables: (name: string) =>
          Effect.map(real.tables(name), (store) => {
            const folder = join(root, name)
            tables.add(folder)
            return counted(folder, store)
          })
      }))
    ).pipe(Layer.provide(hostStorage({ root, disk: machine.disk })))
    return { storage, dark: Deferred.await(darkness) }
  }

  const isThere = (path: string) =>
    Effect.callback<boolean>((resume) =>
      machine.disk.stat(path, (error) => resume(Effect.succeed(error === null)))
    )

  const loseThePower = (stop: Effect.Effect<void>, keeps: () => boolean) =>
    Effect.gen(function* () {
      last = 0
      // The copies are made before closing, which would tidy the files up.
      const left = new Map([...tables].map((folder) => [folder, readTableFiles(folder)] as const))
      if (interrupted !== undefined) {
        const { folder, before, after } = interrupted
        left.set(folder, tornTableFiles(before, after, keeps))
        interrupted = undefined
      }
      yield* stop
      machine.loseThePower(keeps)
      for (const [folder, files] of left) {
        const gone = !(yield* isThere(folder))
        const none = new Uint8Array(0)
        restoreTableFiles(folder, gone ? { table: none, log: none } : files)
      }
    })

  const filesBelow = (path: string): Effect.Effect<ReadonlyArray<readonly [string, number]>> =>
    Effect.gen(function* () {
      const names = yield* Effect.callback<ReadonlyArray<string>>((resume) =>
        machine.disk.list(path, (_, found) => resume(Effect.succeed(found)))
      )
      const found: Array<readonly [string, number]> = []
      for (const name of names) {
        const child = join(path, name)
        const { isFile, length } = yield* Effect.callback<{ isFile: boolean; length: number }>((resume) =>
          machine.disk.stat(child, (_, stat) => resume(Effect.succeed(stat)))
        )
        if (isFile) found.push([child.slice(root.length + 1), length])
        else found.push(...(yield* filesBelow(child)))
      }
      return found
    })

  return {
    changes,
    live,
    loseThePower,
    files: Effect.map(
      Effect.suspend(() => filesBelow(root)),
      (found) => new Map(found)
    )
  }
}
