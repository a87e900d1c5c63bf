// Tests of what is read from /proc: names with blanks and brackets, ended processes, descendants, and this process.

import { spawnSync } from "node:child_process"
import { expect, test } from "vitest"
import { parseStat, parseStatus, readCounters, withDescendants } from "./kernel-counters.ts"

test("processor time is that of the process and of the children that it waited for", () => {
  const line = "42 (a (b) c) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 20 10 20 0 11 0 100 1000 10"
  expect(parseStat(line)).toEqual({ parent: 7, seconds: 2.3 })
})

test("what is no stat of a process is none", () => {
  expect(parseStat("")).toBeUndefined()
  expect(parseStat("42 (name) S")).toBeUndefined()
})

test("memory is read in KiB", () => {
  const status = "Name:\tnode\nVmPeak:\t   9000 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t7\n"
  expect(parseStatus(status)).toEqual({ resident: 2 ** 20, peak: 2 ** 21 })
  expect(parseStatus("Name:\tnode\nState:\tZ (zombie)\n")).toBeUndefined()
})

test("descendants count, whatever the order of their ids", () => {
  const parents = new Map([
    [2, 30],
    [30, 40],
    [40, 1],
    [50, 1]
  ])
  expect([...withDescendants([40], parents)].sort((left, right) => left - right)).toEqual([2, 30, 40])
  expect(withDescendants([99], parents)).toEqual([])
})

test("this process has used time and memory, and an ended child's time stays with it", () => {
  const before = readCounters([process.pid])
  expect(before.resident).toBeGreaterThan(2 ** 20)
  expect(before.peak).toBeGreaterThanOrEqual(before.resident)
  // Hashing takes a tenth of a second and more.
  spawnSync(process.execPath, ["-e", "crypto.createHash('sha256').update(Buffer.alloc(2 ** 28)).digest()"])
  expect(readCounters([process.pid]).seconds - before.seconds).toBeGreaterThanOrEqual(0.05)
})
