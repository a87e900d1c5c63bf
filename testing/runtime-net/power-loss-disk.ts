// A disk in memory that forgets what a real disk may forget at a power loss. Each file and folder has what programs
// see and what would remain. Only a sync of a file makes its content durable, only a sync of a folder makes its names
// durable; everything else is kept, lost or torn as coin flips decide. Tests only.

import { dirname } from "node:path"
import type { Disk, DiskDone } from "../../src/runtime-net/store/disk.ts"
import { tornContent } from "./torn-content.ts"

interface FileNode {
  seen: Uint8Array
  lasting: Uint8Array
}

type Names = Map<string, FileNode | "folder">

export interface PowerLossDisk {
  readonly disk: Disk
  /** Number of changes so far. */
  readonly changes: () => number
  /**
   * Loses the power: for every part of a change since its sync, `keeps` decides whether it had reached the medium.
   */
  readonly loseThePower: (keeps: () => boolean) => void
}

/**
 * A new disk, empty except for the folder `standing`. The power fails after `changesUntilLoss` changes, and later
 * changes fail.
 */
export const makePowerLossDisk = (changesUntilLoss: () => number, standing = "/"): PowerLossDisk => {
  /** Every path that programs see. */
  let seen: Names = new Map([["/", "folder"]])
  for (let folder = standing; folder !== "/"; folder = dirname(folder)) seen.set(folder, "folder")
  /** The durable content of each folder. */
  let lasting: Names = new Map(seen)
  const open = new Map<number, FileNode>()
  let nextFile = 1
  let changes = 0

  const failure = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code })
  const answer = <A>(done: DiskDone<A>, value: A): void => void setImmediate(done, null, value)
  const fail = <A>(done: DiskDone<A>, code: string, value: A): void =>
    void setImmediate(done, failure(code), value)

  const change = (done: DiskDone<void>, make: () => string | undefined): void => {
    if (changes >= changesUntilLoss()) {
      fail(done, "ESHUTDOWN", undefined)
      return
    }
    changes++
    const code = make()
    if (code === undefined) answer(done, undefined)
    else fail(done, code, undefined)
  }

  const nodeOf = (path: string): FileNode | undefined => {
    const node = seen.get(path)
    return node === "folder" ? undefined : node
  }

  const resized = (bytes: Uint8Array, length: number): Uint8Array => {
    const result = new Uint8Array(length)
    result.set(bytes.subarray(0, length))
    return result
  }

  const disk: Disk = {
    open: (path, mode, done) => {
      let node = nodeOf(path)
      if (node === undefined) {
        if (mode === "read" || changes >= changesUntilLoss()) return fail(done, "ENOENT", -1)
        node = { seen: new Uint8Array(0), lasting: new Uint8Array(0) }
        seen.set(path, node)
      }
      if (mode === "replace") node.seen = new Uint8Array(0)
      open.set(nextFile, node)
      answer(done, nextFile++)
    },
    close: (file, done) => {
      open.delete(file)
      answer(done, undefined)
    },
    read: (file, target, position, done) => {
      const bytes = open.get(file)!.seen.subarray(position, position + target.length)
      target.set(bytes)
      answer(done, bytes.length)
    },
    write: (file, chunks, position, done) =>
      change(done, () => {
        const node = open.get(file)!
        const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
        // Always a new array, because the durable content may be the previous one.
        node.seen = resized(node.seen, Math.max(node.seen.length, position + length))
        let at = position
        for (const chunk of chunks) {
          node.seen.set(chunk, at)
          at += chunk.length
        }
        return undefined
      }),
    truncate: (file, length, done) =>
      change(done, () => {
        const node = open.get(file)!
        node.seen = resized(node.seen, length)
        return undefined
      }),
    sync: (file, done) =>
      change(done, () => {
        const node = open.get(file)!
        node.lasting = node.seen
        return undefined
      }),
    syncFolder: (path, done) =>
      change(done, () => {
        for (const name of [...lasting.keys()])
          if (dirname(name) === path && name !== "/") lasting.delete(name)
        for (const [name, node] of seen) {
          if (dirname(name) !== path) continue
          lasting.set(name, node)
          // A rename is one change: the old name goes with it, wherever it was.
          for (const [old, other] of lasting)
            if (other === node && node !== "folder" && !seen.has(old)) lasting.delete(old)
        }
        return undefined
      }),
    rename: (from, to, done) =>
      change(done, () => {
        const node = seen.get(from)
        if (node === undefined) return "ENOENT"
        seen.delete(from)
        seen.set(to, node)
        return undefined
      }),
    remove: (path, done) => change(done, () => (seen.delete(path) ? undefined : "ENOENT")),
    makeFolder: (path, done) =>
      change(done, () => {
        for (let folder = path; !seen.has(folder); folder = dirname(folder)) seen.set(folder, "folder")
        return undefined
      }),
    list: (path, done) => {
      const names = [...seen.keys()].filter((name) => name !== "/" && dirname(name) === path)
      answer(
        done,
        names.map((name) => name.slice(path.length).replace(/^\//, ""))
      )
    },
    stat: (path, done) => {
      const node = seen.get(path)
      const missing = { length: 0, isFile: false, allocated: 0, modifiedAt: Date.now() }
      if (node === undefined) return fail(done, "ENOENT", missing)
      answer(
        done,
        node === "folder"
          ? missing
          : { ...missing, length: node.seen.length, isFile: true, allocated: node.seen.length }
      )
    },
    setModified: (path, _at, done) => change(done, () => (nodeOf(path) === undefined ? "ENOENT" : undefined))
  }

  const loseThePower = (keeps: () => boolean): void => {
    const left: Names = new Map(lasting)
    const stays = new Set(seen.values())
    for (const [name, node] of seen) {
      if (left.get(name) === node || !keeps()) continue
      // A rename is one change: the new name appears and the old one goes.
      for (const [old, other] of lasting)
        if (other === node && node !== "folder" && !seen.has(old)) left.delete(old)
      left.set(name, node)
    }
    for (const [name, node] of lasting) if (!seen.has(name) && !stays.has(node) && keeps()) left.delete(name)
    // A name exists only when its folder does.
    for (const name of [...left.keys()]) {
      for (let folder = dirname(name); folder !== "/"; folder = dirname(folder)) {
        if (!left.has(folder)) left.delete(name)
      }
    }
    for (const node of left.values()) {
      if (node === "folder") continue
      node.seen = tornContent(node.lasting, node.seen, keeps)
      node.lasting = node.seen
    }
    open.clear()
    seen = left
    lasting = new Map(left)
  }

  return { disk, changes: () => changes, loseThePower }
}
