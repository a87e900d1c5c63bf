// What the kernel counted for processes: processor time and memory, from Linux's /proc. A process counts with all of
// its descendants, the dead ones that it waited for included. Memory is a sum over the living ones, so pages that they
// share count more than once. Knows no bench.

import { readdirSync, readFileSync } from "node:fs"

/** Linux's unit of processor time for user space, on every architecture. */
const ticksPerSecond = 100

export interface ProcessStat {
  readonly parent: number
  /** Seconds of the process and of the children that it waited for. */
  readonly seconds: number
}

/** Fields after the name of the process, which may contain blanks and brackets. The first of them is the state. */
const fieldsOf = { parent: 1, user: 11, system: 12, childUser: 13, childSystem: 14 } as const

/** Parses /proc/PID/stat; undefined when it is not one. */
export const parseStat = (text: string): ProcessStat | undefined => {
  const end = text.lastIndexOf(")")
  const fields = text.slice(end + 2).split(" ")
  const number = (field: keyof typeof fieldsOf): number => Number(fields[fieldsOf[field]])
  const ticks = number("user") + number("system") + number("childUser") + number("childSystem")
  const parent = number("parent")
  return end === -1 || !Number.isFinite(ticks + parent)
    ? undefined
    : { parent, seconds: ticks / ticksPerSecond }
}

export interface ProcessMemory {
  /** Bytes in memory now, and the most there have ever been. */
  readonly resident: number
  readonly peak: number
}

/** Parses /proc/PID/status; undefined for a process without memory, which has ended and was not waited for. */
export const parseStatus = (text: string): ProcessMemory | undefined => {
  const bytes = (key: string): number | undefined => {
    const kibibytes = new RegExp(`^${key}:\\s+(\\d+) kB$`, "m").exec(text)?.[1]
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024
  }
  const resident = bytes("VmRSS")
  const peak = bytes("VmHWM")
  return resident === undefined || peak === undefined ? undefined : { resident, peak }
}

/** The given processes and their descendants, by the parent of each known process. */
export const withDescendants = (
  roots: ReadonlyArray<number>,
  parents: ReadonlyMap<number, number>
): ReadonlyArray<number> => {
  const found = new Set(roots)
  // A child can have a lower id than its parent, so one pass is not enough.
  for (let before = -1; before !== found.size; ) {
    before = found.size
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid)
  }
  return [...found].filter((pid) => parents.has(pid))
}

/** A file of /proc; undefined when the process has ended. */
const processFile = (pid: number, name: string): string | undefined => {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8")
  } catch {
    return undefined
  }
}

const everyStat = (): ReadonlyMap<number, ProcessStat> =>
  new Map(
    readdirSync("/proc").flatMap((name) => {
      const pid = Number(name)
      const stat = Number.isInteger(pid) ? parseStat(processFile(pid, "stat") ?? "") : undefined
      return stat === undefined ? [] : [[pid, stat] as const]
    })
  )

export interface KernelCounters extends ProcessMemory {
  /** Processor time since the processes began. */
  readonly seconds: number
}

/** What the given processes and their descendants have used until now. */
export const readCounters = (roots: ReadonlyArray<number>): KernelCounters => {
  const stats = everyStat()
  const pids = withDescendants(roots, new Map([...stats].map(([pid, { parent }]) => [pid, parent])))
  const memory = pids.flatMap((pid) => parseStatus(processFile(pid, "status") ?? "") ?? [])
  return {
    seconds: pids.reduce((sum, pid) => sum + (stats.get(pid)?.seconds ?? 0), 0),
    resident: memory.reduce((sum, { resident }) => sum + resident, 0),
    peak: memory.reduce((sum, { peak }) => sum + peak, 0)
  }
}
