// Tables that another process locks, tables on a slow or failing disk, and tables when the power goes during a write:
// what was acknowledged stands, and a write is there whole or not at all, whether the log is torn or its copy in
// the table file. Contracts that all table stores keep are in stores.test.ts.

import { fstatSync, mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { afterEach, describe, expect, vi } from "vitest"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { coinFlips, tornContent } from "../../../testing/runtime-net/torn-content.ts"
import {
  readTableFiles,
  restoreTableFiles,
  type TableFiles
} from "../../../testing/runtime-net/torn-tables.ts"
import { type TableStore, TableStoreError, type TableWrite } from "../../roles/services/table-store.ts"
import { nodeDisk } from "../store/disk.ts"
import type { TableDisk } from "./group-commit.ts"
import { TableLimits } from "./limits.ts"
import { openSqliteTableStore } from "./sqlite-table-store.ts"

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "shoal-tables-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

afterEach(() => {
  vi.restoreAllMocks()
})

/**
 * Write number `index`: of the same three rows now and then, large enough that logs are copied and begun anew
 * or small, so that a log begins with few pages.
 */
const writeOf = (index: number): ReadonlyArray<TableWrite> =>
  [0, 1, 2].map((row) => {
    const key = `${row}-${index % 7}`
    return index % 5 === 4 && row === 1
      ? { tag: "Delete", table: "tags", key }
      : { tag: "Put", table: "tags", key, value: `${index} `.repeat(index % 3 === 0 ? 2_000 : 1) }
  })

const rowsOf = (store: TableStore) =>
  Effect.map(
    store.scan("tags", { prefix: "", limit: 1_000 }),
    (rows) => new Map(rows.map(({ key, value }) => [key, value.split(" ", 1)[0]]))
  )

describe("tables that another process locks", () => {
  it.live("are waited for during tableLockPatience, and then the write fails", () =>
    Effect.gen(function* () {
      const opened = vi.spyOn(DatabaseSync.prototype, "exec")
      const folder = yield* temporaryFolder
      const store = yield* withLimits(openSqliteTableStore(folder), TableLimits, { tableLockPatience: 1000 })
      const [database] = opened.mock.contexts
      if (!(database instanceof DatabaseSync)) throw new Error("no database was opened")
      expect(Object.values(database.prepare("PRAGMA busy_timeout").get()!)).toEqual([1])
      const other = new DatabaseSync(join(folder, "tables.sqlite"))
      other.exec("BEGIN IMMEDIATE")
      const refused = yield* Effect.flip(store.write(writeOf(0)))
      expect(refused.message).toMatch(/locked/)
      other.close()
      yield* store.write(writeOf(0))
    }).pipe(Effect.scoped)
  )
})

interface HeldSyncs {
  readonly syncs: TableDisk
  /** Syncs that were asked for and are held. */
  readonly held: () => number
  /** Lets a sync go once it is asked for, or fails it. */
  readonly release: (error?: NodeJS.ErrnoException) => Effect.Effect<void>
}

/** Runs `body` with syncs that wait until it lets them go; at its end all go. */
const withHeldSyncs = <E>(body: (held: HeldSyncs) => Effect.Effect<void, E, Scope.Scope>) => {
  type Go = (error?: NodeJS.ErrnoException) => void
  const held: Array<Go> = []
  const wanted: Array<(go: Go) => void> = []
  let free = false
  const syncs: TableDisk = {
    write: nodeDisk.write,
    sync: (file, done) => {
      const go: Go = (error) => (error === undefined ? nodeDisk.sync(file, done) : done(error))
      const wants = wanted.shift()
      if (free) go()
      else if (wants === undefined) held.push(go)
      else wants(go)
    },
    syncFolder: (_, done) => setImmediate(done, null)
  }
  const next = Effect.callback<Go>((resume) => {
    const go = held.shift()
    if (go === undefined) wanted.push((later) => resume(Effect.succeed(later)))
    else resume(Effect.succeed(go))
  })
  const end = Effect.sync(() => {
    free = true
    for (const go of held.splice(0)) go()
  })
  return body({
    syncs,
    held: () => held.length,
    release: (error) => Effect.map(next, (go) => go(error))
  }).pipe(Effect.ensuring(end), Effect.scoped)
}

const putTag = (key: string, value = "") => ({ tag: "Put", table: "tags", key, value }) as const

const keysOf = (store: TableStore) => Effect.map(rowsOf(store), (rows) => [...rows.keys()])

const none = () => undefined

describe("tables whose disk is slow", () => {
  it.live("answer a write after its sync, show it no earlier, and let the others share the next sync", () =>
    withHeldSyncs(
      Effect.fnUntraced(function* ({ syncs, held, release }: HeldSyncs) {
        const store = yield* openSqliteTableStore(yield* temporaryFolder, none, syncs)
        const first = yield* Effect.forkChild(store.write([putTag("1")]), { startImmediately: true })
        const others = yield* Effect.forEach(["2", "3", "4"], (key) =>
          Effect.forkChild(store.write([putTag(key)]), { startImmediately: true })
        )
        expect(held()).toBe(1)
        expect(yield* keysOf(store)).toEqual([])
        expect(first.pollUnsafe()).toBeUndefined()
        yield* release()
        yield* Fiber.join(first)
        expect(yield* keysOf(store)).toEqual(["1"])
        yield* release()
        yield* Fiber.joinAll(others)
        expect(yield* keysOf(store)).toEqual(["1", "2", "3", "4"])
      })
    )
  )

  it.live("refuse a write alone that cannot be applied, and one that is not allowed any more", () =>
    withHeldSyncs(
      Effect.fnUntraced(function* ({ syncs, release }: HeldSyncs) {
        let closed: string | undefined
        const store = yield* openSqliteTableStore(yield* temporaryFolder, () => closed, syncs)
        const start = (write: TableWrite) =>
          Effect.forkChild(Effect.exit(store.write([putTag("whole or not"), write])), {
            startImmediately: true
          })
        const first = yield* start(putTag("1"))
        const bad = yield* start({ ...putTag("bad"), value: undefined as unknown as string })
        const good = yield* start(putTag("2"))
        yield* release()
        expect(yield* Fiber.join(first)).toEqual(Exit.void)
        expect(yield* Fiber.join(bad)).toMatchObject({ _tag: "Failure" })
        const late = yield* start(putTag("3"))
        closed = "the host was killed"
        yield* release()
        expect(yield* Fiber.join(good)).toEqual(Exit.void)
        const message = "cannot write tags (tables.sqlite): the host was killed"
        expect(yield* Fiber.join(late)).toEqual(Exit.fail(new TableStoreError({ message })))
        expect(yield* keysOf(store)).toEqual(["1", "2", "whole or not"])
      })
    )
  )

  it.live("take no more than their limits allow", () =>
    withHeldSyncs(
      Effect.fnUntraced(function* ({ syncs, release }: HeldSyncs) {
        const limits = { maxTableWritesWaiting: 4, maxTableWritesPerSync: 3 }
        const store = yield* withLimits(
          openSqliteTableStore(yield* temporaryFolder, none, syncs),
          TableLimits,
          limits
        )
        const writes = yield* Effect.forEach(["1", "2", "3", "4", "5"], (key) =>
          Effect.forkChild(store.write([putTag(key)]), { startImmediately: true })
        )
        const refused = yield* Effect.flip(store.write([putTag("6")]))
        expect(refused.message).toMatch(/4 writes wait for the disk/)
        for (const seen of [1, 4, 5]) {
          yield* release()
          yield* Fiber.joinAll(writes.slice(0, seen))
          expect((yield* keysOf(store)).length).toBe(seen)
        }
      })
    )
  )

  it.live("answer what they took before they close", () =>
    withHeldSyncs(
      Effect.fnUntraced(function* ({ syncs, release }: HeldSyncs) {
        const folder = yield* temporaryFolder
        const scope = yield* Scope.make()
        const store = yield* Scope.provide(openSqliteTableStore(folder, none, syncs), scope)
        const writes = yield* Effect.forEach(["1", "2"], (key) =>
          Effect.forkChild(store.write([putTag(key)]), { startImmediately: true })
        )
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
        expect((yield* Effect.flip(store.write([putTag("3")]))).message).toMatch(/are closed/)
        yield* release()
        yield* Fiber.join(writes[0]!)
        yield* release()
        yield* Fiber.joinAll([...writes, closing])
        expect(yield* Effect.flatMap(openSqliteTableStore(folder), keysOf)).toEqual(["1", "2"])
      })
    )
  )

  it.live("write nothing more after a sync that failed, and show nothing of it until the next start", () =>
    withHeldSyncs(
      Effect.fnUntraced(function* ({ syncs, release }: HeldSyncs) {
        const folder = yield* temporaryFolder
        const scope = yield* Scope.make()
        const store = yield* Scope.provide(openSqliteTableStore(folder, none, syncs), scope)
        const writes = yield* Effect.forEach(["1", "2"], (key) =>
          Effect.forkChild(Effect.exit(store.write([putTag(key)])), { startImmediately: true })
        )
        yield* release(Object.assign(new Error("bad medium"), { code: "EIO" }))
        for (const write of writes) expect(yield* Fiber.join(write)).toMatchObject({ _tag: "Failure" })
        const refused = yield* Effect.flip(store.write([putTag("3")]))
        expect(refused.message).toBe(
          "cannot write tags (tables.sqlite): bad medium; nothing is written any more until the next start"
        )
        expect(yield* keysOf(store)).toEqual([])
        yield* Scope.close(scope, Exit.void)
        const again = yield* openSqliteTableStore(folder)
        yield* again.write([putTag("4")])
        // What the failed sync left is there or not; the rest works.
        expect((yield* keysOf(again)).at(-1)).toBe("4")
      })
    )
  )
})

/** For `keeps`: the first transaction of the old log stands, and everything behind it is new. */
const keepsBehindFirst = (oldLog: Uint8Array): (() => boolean) => {
  const log = Buffer.from(oldLog)
  const frameBytes = 24 + 4096
  let end = 32
  while (end + frameBytes <= log.length && log.readUInt32BE(end + 4) === 0) end += frameBytes
  const first = Math.ceil((end + frameBytes) / 512)
  let sector = -2
  return () => ++sector < 0 || sector >= first
}

describe("tables when the power goes", () => {
  /** Syncs that remember what is on the medium, and before each one tear what it is to make lasting. */
  const tearingSyncs = (folder: string, remains: (torn: TableFiles, synced: keyof TableFiles) => void) => {
    const lasting = { ...readTableFiles(folder) }
    let draws = 0
    const table = statSync(join(folder, "tables.sqlite")).ino
    const syncs: TableDisk = {
      write: nodeDisk.write,
      sync: (file, done) => {
        const kind = fstatSync(file).ino === table ? "table" : "log"
        const seen = readTableFiles(folder)
        const luck = [coinFlips(draws++), coinFlips(draws++), keepsBehindFirst(lasting.log)]
        for (const keeps of luck) {
          const log = tornContent(lasting.log, seen.log, keeps)
          remains({ table: tornContent(lasting.table, seen.table, keeps), log }, kind)
        }
        nodeDisk.sync(file, (error) => {
          lasting[kind] = seen[kind]
          done(error)
        })
      },
      syncFolder: nodeDisk.syncFolder
    }
    return syncs
  }

  it.live("a write is there whole or not at all, and those before it are", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.scoped(openSqliteTableStore(folder))
      const torn: Array<TableFiles> = []
      const met = { table: 0, log: 0 }
      const tearing: { syncs?: TableDisk } = {}
      const store = yield* withLimits(
        openSqliteTableStore(folder, none, {
          write: nodeDisk.write,
          sync: (file, done) => {
            tearing.syncs ??= tearingSyncs(folder, (files, kind) => {
              torn.push(files)
              met[kind]++
            })
            tearing.syncs.sync(file, done)
          },
          syncFolder: nodeDisk.syncFolder
        }),
        TableLimits,
        { maxTableLogPages: 20 }
      )
      yield* store.write([])
      let rowsBefore = yield* rowsOf(store)
      let undone = 0
      for (let index = 0; index < 50; index++) {
        torn.length = 0
        yield* store.write(writeOf(index))
        const rowsAfter = yield* rowsOf(store)
        for (const files of torn) {
          const left = yield* temporaryFolder
          restoreTableFiles(left, files)
          const found = yield* Effect.scoped(Effect.flatMap(openSqliteTableStore(left), rowsOf))
          const expected = found.get(`0-${index % 7}`) === `${index}` ? rowsAfter : rowsBefore
          expect(found, `write ${index}`).toEqual(expected)
          if (expected === rowsBefore) undone++
        }
        rowsBefore = rowsAfter
      }
      // The cases that matter were met.
      expect(met.table).toBeGreaterThanOrEqual(6)
      expect(undone).toBeGreaterThan(10)
    }).pipe(Effect.scoped)
  )
})
