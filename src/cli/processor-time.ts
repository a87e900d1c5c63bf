// The use of processors between two instants, by given processes and by the whole machine. Reads Linux's /proc; on
// other systems it fails with one line.

import { readFileSync } from "node:fs"
import { Effect } from "effect"
import { CliFailure } from "./cli-failure.ts"

/** Ticks of 10 ms, Linux's unit for user space on every architecture. */
interface ProcessorTicks {
  /** Ticks that the given processes used. */
  readonly own: number
  readonly busy: number
  /** Ticks of all cores, idle time included. */
  readonly all: number
}

export interface ProcessorUse {
  /** Shares of all cores, 0 to 1. */
  readonly own: number
  readonly machine: number
}

/** Fields after the name of the process, which may contain blanks. The first of them is the state. */
const userTicks = 11
const systemTicks = 12

const ticksOf = (pid: number): number => {
  const line = readFileSync(`/proc/${pid}/stat`, "utf8")
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ")
  return Number(fields[userTicks]) + Number(fields[systemTicks])
}

const look = (pids: ReadonlyArray<number>): ProcessorTicks => {
  const [first = ""] = readFileSync("/proc/stat", "utf8").split("\n", 1)
  // user, nice, system, idle, iowait, irq, softirq, steal; guests are counted in user.
  const ticks = first.trim().split(/\s+/).slice(1, 9).map(Number)
  const [, , , idle = 0, iowait = 0] = ticks
  const all = ticks.reduce((sum, each) => sum + each, 0)
  return {
    own: pids.reduce((sum, pid) => sum + ticksOf(pid), 0),
    busy: all - idle - iowait,
    all
  }
}

const looked = (pids: ReadonlyArray<number>): Effect.Effect<ProcessorTicks, CliFailure> =>
  Effect.try({
    try: () => look(pids),
    catch: (error) =>
      new CliFailure({
        message: `cannot read the use of processors (${error instanceof Error ? error.message : error}): measure on Linux`
      })
  })

/** Share of all cores that everything on the machine uses in the next second. */
export const machineBusyNow: Effect.Effect<number, CliFailure> = Effect.map(
  Effect.suspend(() => processorUseDuring([], Effect.sleep("1 second"))),
  ([, use]) => use.machine
)

/** Runs `effect` and measures the use of processors meanwhile. The processes must outlive it. */
export const processorUseDuring = <A, E, R>(
  pids: ReadonlyArray<number>,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<readonly [A, ProcessorUse], E | CliFailure, R> =>
  Effect.gen(function* () {
    const before = yield* looked(pids)
    const value = yield* effect
    const after = yield* looked(pids)
    const all = Math.max(1, after.all - before.all)
    const share = (ticks: number): number => Math.min(1, Math.max(0, ticks / all))
    return [value, { own: share(after.own - before.own), machine: share(after.busy - before.busy) }] as const
  })
