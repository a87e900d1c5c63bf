// Syncs of folders that are asked for at the same time. A sync makes every name durable that was in the folder when it
// began, so whoever asks while one runs shares the next one: 16 uploads that end together need two.
//
// Invariant: a sync that answers has begun after it was asked for.

import type { Disk, DiskDone } from "./disk.ts"

export const shareFolderSyncs = (disk: Pick<Disk, "syncFolder">): Disk["syncFolder"] => {
  /** Folders whose sync runs, with those who wait for the next one. */
  const running = new Map<string, Array<DiskDone<void>>>()

  const sync = (path: string, asked: ReadonlyArray<DiskDone<void>>): void => {
    const waiting: Array<DiskDone<void>> = []
    running.set(path, waiting)
    disk.syncFolder(path, (error) => {
      if (waiting.length > 0) sync(path, waiting)
      else running.delete(path)
      for (const done of asked) done(error)
    })
  }

  return (path, done) => {
    const waiting = running.get(path)
    if (waiting === undefined) sync(path, [done])
    else waiting.push(done)
  }
}
