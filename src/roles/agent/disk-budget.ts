// Disk budget of an agent. One fiber keeps the ledger (disk-ledger.ts) in step with the store's own measurements, and
// evicts the least recently used blobs from the high watermark down to the low one. Reads and downloads declare what
// they need; a download that does not fit waits a while for room, then fails with a reason.
//
//   a download: asks -- fits with everything in use --> admitted -- ends --> left
//                 |-- longer than the budget: refused at once
//                 +-- no room: waits -- room --> admitted;  waits -- diskRoomPatience --> refused
//
// Invariants: one eviction runs at a time. No read of a blob begins while it is being evicted; the reader waits and
// then finds it gone. A blob in use is never evicted, so blobs that were idle when a download was admitted and are
// read later can take the disk over its budget for as long as they are read; a warning is logged then.

import { Clock, Data, Deferred, Duration, Effect, Option, type Scope } from "effect"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { BlobStore, BlobStoreError } from "../services/blob-store.ts"
import { toDuration } from "../services/clock.ts"
import { counterMetric, gaugeMetric, type RoleMetrics } from "../services/metrics.ts"
import { Timers } from "../services/timers.ts"
import type { DiskBudgetConfig } from "./config.ts"
import { DiskLedger } from "./disk-ledger.ts"
import { AgentLimits } from "./limits.ts"
import { type MeteredUse, meteredBlobs } from "./metered-blobs.ts"

/** The budget has no room for a download. `message` says how much room there is and what to do. */
export class DiskBudgetSpent extends Data.TaggedError("DiskBudgetSpent")<{ readonly message: string }> {}

export interface DiskBudget {
  /** Marks the blob as used, and keeps it on the disk until the scope ends. */
  readonly hold: (digest: Digest) => Effect.Effect<void, never, Scope.Scope>
  /** Reserves room for `more` bytes of a blob of `length` bytes until the scope ends; waits a while for it. */
  readonly admit: (
    digest: Digest,
    length: number,
    more: number
  ) => Effect.Effect<void, DiskBudgetSpent, Scope.Scope>
}

export const unboundedDisk: DiskBudget = { hold: () => Effect.void, admit: () => Effect.void }

/** Removes a blob or an unfinished download; false when it is in use and stays. */
export type Evict = (digest: Digest) => Effect.Effect<boolean, BlobStoreError>

export interface BoundedDisk extends DiskBudget {
  /** The store, with its downloads and reads recorded in the ledger. */
  readonly blobs: BlobStore
  /** Measures the store and evicts what exceeds the budget, now and until the scope ends. */
  readonly run: (evict: Evict) => Effect.Effect<void, BlobStoreError, Scope.Scope>
}

interface Waiter {
  readonly digest: Digest
  readonly length: number
  readonly more: number
  readonly decided: Deferred.Deferred<void, DiskBudgetSpent>
  admitted: boolean
}

const diskUsed = gaugeMetric("shoal_disk_used_bytes", {
  of: "agents with `disk.budget`",
  description: "Bytes on the disk in the agent's own files"
})
const diskBudget = gaugeMetric("shoal_disk_budget_bytes", {
  of: "agents with `disk.budget`",
  description: "Bytes of the disk budget"
})
const diskCommitted = gaugeMetric("shoal_disk_committed_bytes", {
  of: "agents with `disk.budget`",
  description: "Bytes in use, downloads at their expected length"
})
const diskEvictions = counterMetric("shoal_disk_evictions_total", {
  of: "agents with `disk.budget`",
  description: "Blobs and unfinished downloads evicted"
})
const diskEvictedBytes = counterMetric("shoal_disk_evicted_bytes_total", {
  of: "agents with `disk.budget`",
  description: "Bytes of the blobs and downloads evicted"
})
const diskRefusals = counterMetric("shoal_disk_refusals_total", {
  of: "agents with `disk.budget`",
  description: "Downloads for which there was no room"
})

export const makeDiskBudget = (options: {
  readonly blobs: BlobStore
  readonly config: DiskBudgetConfig
  readonly metrics: RoleMetrics
}): Effect.Effect<BoundedDisk, never, Timers> =>
  Effect.gen(function* () {
    const { blobs, config, metrics } = options
    const { budget: budgetBytes, highWatermark, lowWatermark } = config
    const timers = yield* Timers
    const limits = yield* AgentLimits
    const ledger = new DiskLedger({
      budget: budgetBytes,
      high: budgetBytes * highWatermark,
      low: budgetBytes * lowWatermark
    })
    /** The wall clock as a plain call; the data plane cannot yield to Effect's Clock. */
    const epoch = (yield* Clock.currentTimeMillis) - timers.now() / 1_000
    const now = (): number => Math.floor(epoch + timers.now() / 1_000)

    /** Digests to measure again, because what the store has of them may have changed. */
    const changed = new Set<Digest>()
    const leaving = new Map<Digest, Deferred.Deferred<void>>()
    /** Downloads that wait for room, in order of arrival. */
    const waiters: Waiter[] = []
    let woken = Deferred.makeUnsafe<void>()
    /** The last round of evictions ended with the disk still above the low watermark. */
    let stuck = false
    let warned = false

    metrics.readGauge(diskUsed, () => ledger.used)
    metrics.readGauge(diskBudget, () => budgetBytes)
    metrics.readGauge(diskCommitted, () => ledger.committed)
    const evictions = metrics.counter(diskEvictions)
    const evictedBytes = metrics.counter(diskEvictedBytes)
    const refused = metrics.counter(diskRefusals)

    const wake = (): void => void Deferred.doneUnsafe(woken, Effect.void)

    const refuse = (digest: Digest, length: number, why: string): DiskBudgetSpent => {
      refused(1)
      return new DiskBudgetSpent({
        message: `no room for ${digest} of ${length} bytes: the disk budget (disk.budget) is ${budgetBytes} bytes, ${why}`
      })
    }

    /** Admits the downloads that fit now, in order of arrival. */
    const admitWaiting = (): void => {
      for (let index = 0; index < waiters.length; ) {
        const waiter = waiters[index]!
        const { digest, length, more } = waiter
        const admission = ledger.admit(digest, length, more)
        if (admission === "no-room") {
          index++
          continue
        }
        waiters.splice(index, 1)
        waiter.admitted = admission === "admitted"
        Deferred.doneUnsafe(
          waiter.decided,
          waiter.admitted
            ? Effect.void
            : Effect.fail(refuse(digest, length, `${ledger.capacity} of them for blobs: raise it`))
        )
      }
    }

    /** A blob may be evicted, or a download admitted, that could not before. */
    const freed = (): void => {
      admitWaiting()
      if (ledger.isPressed) wake()
    }

    const hold: DiskBudget["hold"] = (digest) =>
      Effect.asVoid(
        Effect.acquireRelease(whenStaying(digest), () =>
          Effect.sync(() => {
            ledger.release(digest, now())
            freed()
          })
        )
      )

    const whenStaying = (digest: Digest): Effect.Effect<void> =>
      Effect.suspend(() => {
        const gone = leaving.get(digest)
        if (gone !== undefined) return Effect.andThen(Deferred.await(gone), whenStaying(digest))
        ledger.hold(digest, now())
        return Effect.void
      })

    const admit: DiskBudget["admit"] = (digest, length, more) =>
      Effect.gen(function* () {
        const waiter: Waiter = { digest, length, more, decided: Deferred.makeUnsafe(), admitted: false }
        const withdraw = (): void => {
          const index = waiters.indexOf(waiter)
          if (index >= 0) waiters.splice(index, 1)
          if (!waiter.admitted) return
          waiter.admitted = false
          ledger.leave(digest)
          freed()
        }
        yield* Effect.addFinalizer(() => Effect.sync(withdraw))
        waiters.push(waiter)
        freed()
        const decided = yield* Effect.timeoutOption(
          Deferred.await(waiter.decided),
          toDuration(limits.diskRoomPatience)
        )
        if (Option.isSome(decided) || waiter.admitted) return
        withdraw()
        const inUse = `and ${ledger.committed} bytes of it are being downloaded or read: try again, or raise it`
        return yield* refuse(digest, length, inUse)
      })

    const use: MeteredUse = {
      hold,
      grew: (digest, bytes) => {
        ledger.grew(digest, bytes, now())
        if (!stuck && ledger.isPressed) wake()
      },
      touched: (digest) => ledger.touched(digest, now()),
      completed: (digest) => {
        ledger.completed(digest)
        freed()
      },
      changed: (digest) => {
        changed.add(digest)
        wake()
      }
    }

    // -- the fiber ------------------------------------------------------------------------------------------------

    const measureChanged = Effect.gen(function* () {
      for (const digest of changed) {
        changed.delete(digest)
        const kept = yield* blobs.measure(digest)
        if (Option.isSome(kept)) ledger.measured(kept.value)
        else ledger.missing(digest)
      }
    })

    const evictOne = Effect.fn("disk.evict")(function* (digest: Digest, evict: Evict) {
      yield* Effect.annotateCurrentSpan({ digest })
      const gone = Deferred.makeUnsafe<void>()
      leaving.set(digest, gone)
      const before = ledger.used
      const went = yield* Effect.catch(evict(digest), (error) =>
        Effect.logError("cannot evict the blob:", error).pipe(
          Effect.annotateLogs({ digest }),
          Effect.as(false)
        )
      )
      if (went) {
        ledger.evicted(digest)
        evictions(1)
        evictedBytes(Math.max(0, before - ledger.used))
      } else {
        ledger.spared(digest, now())
        changed.add(digest)
      }
      leaving.delete(digest)
      yield* Deferred.succeed(gone, undefined)
      admitWaiting()
    }, Effect.uninterruptible)

    const evictToLow = Effect.fnUntraced(function* (evict: Evict) {
      const spared = new Set<Digest>()
      for (;;) {
        const digest = ledger.victim(spared)
        if (digest === undefined) break
        yield* evictOne(digest, evict)
        spared.add(digest)
      }
      stuck = ledger.isPressed
      const over = ledger.used > budgetBytes
      if (over && !warned) {
        yield* Effect.logWarning(
          "the disk budget is exceeded, because all blobs are being downloaded, read or sent; they are evicted " +
            "after that. Raise disk.budget if this happens often"
        ).pipe(Effect.annotateLogs({ usedBytes: ledger.used, budgetBytes }))
      }
      warned = over
    })

    const noteUses = Effect.suspend(() =>
      Effect.forEach(ledger.takeUnnotedUses(), ({ digest, usedAt }) => blobs.noteUse(digest, usedAt), {
        discard: true
      })
    )

    const survey = Effect.andThen(
      noteUses,
      Effect.map(blobs.usage, (usage) => ledger.surveyed(usage))
    )

    const failed = (error: BlobStoreError) => Effect.logWarning("cannot measure the disk:", error)

    const run: BoundedDisk["run"] = (evict) =>
      Effect.gen(function* () {
        ledger.surveyed(yield* blobs.usage)
        yield* evictToLow(evict)
        yield* Effect.addFinalizer(() =>
          Effect.catch(noteUses, (error) =>
            Effect.logDebug("the last uses of blobs are not recorded:", error)
          )
        )
        let surveyAt = timers.now() + limits.diskSurveyInterval
        yield* Effect.forkScoped(
          Effect.gen(function* () {
            for (;;) {
              woken = Deferred.makeUnsafe<void>()
              if (timers.now() >= surveyAt) {
                surveyAt = timers.now() + limits.diskSurveyInterval
                yield* Effect.catch(survey, failed)
              }
              yield* Effect.catch(measureChanged, failed)
              yield* evictToLow(evict)
              admitWaiting()
              const wait = Math.max(1, surveyAt - timers.now())
              yield* Effect.raceFirst(
                Effect.sleep(Duration.micros(BigInt(stuck ? Math.min(wait, limits.diskRetryPause) : wait))),
                Deferred.await(woken)
              )
            }
          })
        )
      })

    return { hold, admit, run, blobs: meteredBlobs(blobs, use) }
  })
