// One measured piece of work: clients ask a running system, and the kernel's counters of its parts are read before and
// after. Work that a system puts off until after its answer counts too: the second reading waits until the system is
// quiet.

import { Effect, type Scope } from "effect"
import { RealBenchFailed } from "./bench-failed.ts"
import type { Bulk, ClientJob, PushLargeJob } from "./client-jobs.ts"
import { type DoneOf, startClient } from "./client-process.ts"
import { readCounters } from "./kernel-counters.ts"
import type { Part, RunningSystem } from "./system.ts"

const betweenLooks = "200 millis"
/** A system is quiet when it uses less processor time than this between two looks, in seconds. */
const quietBelow = 0.02
const mostLooks = 25

const rootsOf = (parts: ReadonlyArray<Part>): ReadonlyArray<number> =>
  parts.flatMap(({ programs }) => programs.map(({ pid }) => pid))

/** Processor time in seconds since the parts began. */
const processorSeconds = (parts: ReadonlyArray<Part>): number =>
  parts.length === 0 ? 0 : readCounters(rootsOf(parts)).seconds

/** Bytes of one part. */
export const memoryOf = (part: Part): { readonly resident: number; readonly peak: number } =>
  readCounters(rootsOf([part]))

/** The most of several parts, 0 without any. */
export const largestMemory = (
  parts: ReadonlyArray<Part>
): { readonly resident: number; readonly peak: number } => {
  const all = parts.map(memoryOf)
  return {
    resident: Math.max(0, ...all.map(({ resident }) => resident)),
    peak: Math.max(0, ...all.map(({ peak }) => peak))
  }
}

const untilQuiet = (parts: ReadonlyArray<Part>): Effect.Effect<void> =>
  Effect.gen(function* () {
    let before = processorSeconds(parts)
    for (let look = 0; look < mostLooks; look++) {
      yield* Effect.sleep(betweenLooks)
      const now = processorSeconds(parts)
      if (now - before < quietBelow) return
      before = now
    }
  })

export interface MeasuredWork<Job extends ClientJob> {
  /** One for each job. */
  readonly answers: ReadonlyArray<DoneOf<Job>>
  /** Processor time in seconds. */
  readonly door: number
  readonly agents: number
  /** Of the clients, which is nobody's cost but tells whether they were the limit. */
  readonly clients: number
}

/** Does the jobs at once. Fails when a client fails, a program of the system ends, or it takes too long. */
export const measureWork = <Job extends ClientJob>(
  system: RunningSystem,
  jobs: ReadonlyArray<Job>,
  withinSeconds: number
): Effect.Effect<MeasuredWork<Job>, RealBenchFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const clients = yield* Effect.forEach(jobs, (job) => startClient(job), { concurrency: "unbounded" })
    const all = [system.door, ...system.agents]
    yield* untilQuiet(all)
    const before = { door: processorSeconds([system.door]), agents: processorSeconds(system.agents) }
    const answers = yield* Effect.raceFirst(
      Effect.forEach(clients, ({ work }) => work, { concurrency: "unbounded" }),
      Effect.raceAllFirst(all.flatMap(({ programs }) => programs.map(({ died }) => died)))
    ).pipe(
      Effect.timeoutOrElse({
        duration: withinSeconds * 1000,
        orElse: () =>
          new RealBenchFailed({ message: `the work (${jobs[0]?.kind}) takes longer than ${withinSeconds} s` })
      })
    )
    yield* untilQuiet(all)
    return {
      answers,
      door: processorSeconds([system.door]) - before.door,
      agents: processorSeconds(system.agents) - before.agents,
      clients: answers.reduce((sum, { clientCpu }) => sum + clientCpu, 0)
    }
  })

/** Pushes a large blob at the door. */
export const pushBulk = (
  system: RunningSystem,
  bulk: Bulk,
  withinSeconds: number
): Effect.Effect<MeasuredWork<PushLargeJob>, RealBenchFailed, Scope.Scope> => {
  const { repositoryUrl, uploads = "oci" } = system.door
  return measureWork(system, [{ kind: "push-large", url: repositoryUrl, uploads, bulk }], withinSeconds)
}
