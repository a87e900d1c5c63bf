// The preheats that a proxy remembers: running ones, and recently ended ones, the oldest of which make room. They are
// in memory only: a restarted proxy has forgotten them, but agents keep what they pulled.
//
// Invariants: at most maxPreheatJobs jobs, with at most maxPreheatRecords agents together; a running job is never
// forgotten.

import type { ProxyLimits } from "./limits.ts"
import type { PreheatJob } from "./preheat-job.ts"

export interface PreheatTable {
  /** False when running jobs take all places. */
  readonly add: (job: PreheatJob, now: number) => boolean
  /** Whether a job may have this number of agents, now that ended jobs have made room. */
  readonly hasRoomFor: (agents: number, now: number) => boolean
  readonly get: (id: string, now: number) => PreheatJob | undefined
  /** The newest first. */
  readonly list: (now: number) => ReadonlyArray<PreheatJob>
}

export const makePreheatTable = (limits: ProxyLimits): PreheatTable => {
  /** Oldest first, because a Map keeps insertion order. */
  const jobs = new Map<string, PreheatJob>()

  const forgetOld = (now: number): void => {
    for (const [id, { endedAt }] of jobs) {
      if (endedAt !== undefined && now - endedAt >= limits.preheatJobLifetime / 1_000) jobs.delete(id)
    }
  }

  const forgetWhile = (isTooMuch: () => boolean): boolean => {
    for (const [id, job] of jobs) {
      if (!isTooMuch()) return true
      if (job.ended) jobs.delete(id)
    }
    return !isTooMuch()
  }

  const records = (): number => {
    let total = 0
    for (const { agents } of jobs.values()) total += agents.size
    return total
  }

  return {
    add: (job, now) => {
      forgetOld(now)
      if (!forgetWhile(() => jobs.size >= limits.maxPreheatJobs)) return false
      jobs.set(job.id, job)
      return true
    },
    hasRoomFor: (agents, now) => {
      forgetOld(now)
      return forgetWhile(() => records() + agents > limits.maxPreheatRecords)
    },
    get: (id, now) => {
      forgetOld(now)
      return jobs.get(id)
    },
    list: (now) => {
      forgetOld(now)
      return [...jobs.values()].reverse()
    }
  }
}
