// Makes folders one level at a time. Node's recursive mkdir tries again without end where a folder can be neither made
// nor found, as below /proc, and no signal stops it. Synchronous: it is for a few calls at the beginning or the end.

import { mkdirSync, mkdtempSync, rmdirSync, statSync } from "node:fs"
import { dirname, join, resolve } from "node:path"

/** The folders that are missing on the way to `path`, the outermost first. */
const missingTo = (path: string): ReadonlyArray<string> => {
  const missing: Array<string> = []
  let at = resolve(path)
  while (statSync(at, { throwIfNoEntry: false }) === undefined && dirname(at) !== at) {
    missing.unshift(at)
    at = dirname(at)
  }
  return missing
}

/** Makes the folder and those above it. Throws Node's error where that is impossible; gives the folders made. */
export const makeFolder = (path: string): ReadonlyArray<string> => {
  const made: Array<string> = []
  for (const folder of missingTo(path)) {
    try {
      mkdirSync(folder)
      made.push(folder)
    } catch (error) {
      // Another process may have made it meanwhile.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
    }
  }
  return made
}

/** Throws when files cannot be made in the folder `path`, which need not exist. Nothing of it stays. */
export const probeFolder = (path: string): void => {
  const made = makeFolder(path)
  try {
    rmdirSync(mkdtempSync(join(path, ".probe-")))
  } finally {
    for (const folder of [...made].reverse()) rmdirSync(folder)
  }
}
