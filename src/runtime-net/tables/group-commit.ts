// Writes to tables that share syncs. What is asked for during a sync is committed together after it, in the order in
// which it was asked for, and waits for the next sync; this thread never waits. Nobody sees a commit before it is
// synced, neither its callers nor those who read. The order on the medium:
//
//   frames into the log --sync--> answered --> ... log long enough: pages into the table file --sync-->
//   header of the log away --sync--> frames over those before --> ...
//
// The log keeps its length, because a sync of a file that grows takes four times as long. With its header gone what it
// still holds is nothing; SQLite would sync the new header instead, in this thread (docs/decisions.md).
// A sync that fails leaves unknown what is on the medium: from then on all writes fail, and reads stay where they were.
//
// Invariants: at most one sync runs at a time, and SQLite changes no file meanwhile. Every write is answered once.

import type { TableWrite } from "../../roles/services/table-store.ts"
import type { Disk } from "../store/disk.ts"
import type { TableLimits } from "./limits.ts"
import type { TableDatabase } from "./table-database.ts"

export type TableDisk = Pick<Disk, "write" | "sync" | "syncFolder">

export interface TableFiles {
  readonly folder: string
  /** The open log. */
  readonly log: number
  /** The open table file. */
  readonly table: number
}

/** Undefined: the writes are applied and on the medium. Otherwise the reason why none of them is applied. */
type Answer = (problem: unknown) => void

export interface GroupCommit {
  readonly write: (writes: ReadonlyArray<TableWrite>, answer: Answer) => void
  /** Refuses further writes; `done` is called when all earlier ones are answered, with whether a sync had failed. */
  readonly end: (done: (broken: boolean) => void) => void
}

/** The length of the header of SQLite's log. Zeros are no header. */
const noHeader = new Uint8Array(32)

interface Waiting {
  readonly writes: ReadonlyArray<TableWrite>
  readonly answer: Answer
}

/** `closed` returns the reason why nothing may be written any more. */
export const makeGroupCommit = (
  database: TableDatabase,
  disk: TableDisk,
  files: TableFiles,
  closed: () => string | undefined,
  limits: TableLimits
): GroupCommit => {
  const waiting: Array<Waiting> = []
  let running = false
  let nameIsSynced = false
  let broken: Error | undefined
  let ended: ((broken: boolean) => void) | undefined

  const next = (): void => {
    if (broken !== undefined) for (const { answer } of waiting.splice(0)) answer(broken)
    running = waiting.length > 0
    if (!running) ended?.(broken !== undefined)
    else
      orBreakOff(() => {
        if (database.uncopiedPages() >= limits.maxTableLogPages) copyLog()
        else commitGroup()
      })
  }

  const breakOff = (cause: Error): void => {
    broken = new Error(`${cause.message}; nothing is written any more until the next start`, { cause })
    next()
  }

  /** A step after a sync. What it throws, like a failed sync, leaves the medium in an unknown state. */
  const unlessFailed =
    (step: () => void) =>
    (error: Error | null): void => {
      if (error !== null) breakOff(error)
      else orBreakOff(step)
    }
  const orBreakOff = (step: () => void): void => {
    try {
      step()
    } catch (cause) {
      breakOff(cause as Error)
    }
  }

  const restartLog = (): void => {
    if (!database.restartLog()) commitGroup()
    else
      disk.write(
        files.log,
        [noHeader],
        0,
        unlessFailed(() => disk.sync(files.log, unlessFailed(commitGroup)))
      )
  }

  const copyLog = (): void =>
    orBreakOff(() => {
      database.copyLog()
      disk.sync(files.table, unlessFailed(restartLog))
    })

  interface Committed {
    readonly applied: ReadonlyArray<Waiting>
    readonly problem: Error | undefined
  }

  /** Commits the writes. Those that are not applied are answered. */
  const commit = (group: ReadonlyArray<Waiting>): Committed => {
    const applied: Array<Waiting> = []
    const refused: Array<() => void> = []
    let problem: Error | undefined
    try {
      database.pin()
      database.begin()
      for (const one of group) {
        try {
          const reason = closed()
          if (reason !== undefined) throw new Error(reason)
          database.apply(one.writes)
          applied.push(one)
        } catch (cause) {
          if (!database.isOpen()) throw cause
          refused.push(() => one.answer(cause))
        }
      }
      problem = database.commit()
    } catch (cause) {
      for (const { answer } of group) answer(cause)
      return { applied: [], problem: undefined }
    }
    for (const answer of refused) answer()
    return { applied, problem }
  }

  const commitGroup = (): void => {
    const group = waiting.splice(0, limits.maxTableWritesPerSync)
    const { applied, problem } = commit(group)
    const settled = (): void => {
      database.unpin()
      for (const { answer } of applied) answer(undefined)
      next()
    }
    const synced = (error: Error | null): void => {
      if (error === null) settled()
      else {
        for (const { answer } of applied) answer(error)
        breakOff(error)
      }
    }
    if (problem !== undefined) synced(problem)
    else if (applied.length === 0) settled()
    else
      disk.sync(files.log, (error) => {
        if (error !== null || nameIsSynced) synced(error)
        else {
          // The log may have been made when the tables were opened.
          disk.syncFolder(files.folder, (folderError) => {
            nameIsSynced = folderError === null
            synced(folderError)
          })
        }
      })
  }

  return {
    write: (writes, answer) => {
      if (ended !== undefined) return answer(new Error("the tables are closed"))
      if (waiting.length >= limits.maxTableWritesWaiting) {
        return answer(new Error(`${waiting.length} writes wait for the disk already`))
      }
      waiting.push({ writes, answer })
      if (!running) next()
    },
    end: (done) => {
      ended = done
      if (!running) done(broken !== undefined)
    }
  }
}
