// Tests of the disk budget's queue and fiber: which download is admitted next, what wakes an eviction, which blobs are
// tried again, and what the log says. Evictions in general are in disk-budget.test.ts.

import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Option, Scope } from "effect"
import { TestClock } from "effect/testing"
import { clockTimers } from "../../../testing/roles/clock-timers.ts"
import { logged } from "../../../testing/roles/logged.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { seconds } from "../../protocol/kit/time.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { Metainfo } from "../../protocol/wire/metainfo.ts"
import {
  type BlobStore,
  BlobStoreError,
  type KeptBlob,
  type PieceFile,
  type StoreOutcome
} from "../services/blob-store.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { Timers } from "../services/timers.ts"
import { makeDiskBudget } from "./disk-budget.ts"
import { AgentLimits } from "./limits.ts"

const digestOf = (digit: string) => `sha256:${digit.repeat(64)}` as Digest
const [one, two, three] = [digestOf("1"), digestOf("2"), digestOf("3")]
const ioError = new BlobStoreError({ reason: "io", message: "no disk" })

/** A budget of 1000 bytes, with watermarks at 900 and 700, over a store whose measurements the test writes. */
const scene = (kept: Readonly<Record<string, number>> = {}) =>
  Effect.gen(function* () {
    const sizes = new Map(Object.entries(kept).map(([digit, bytes]) => [digestOf(digit), bytes]))
    const script = {
      usage: Effect.void as Effect.Effect<void, BlobStoreError>,
      measure: Effect.void as Effect.Effect<void, BlobStoreError>,
      /** Digests that cannot be evicted, because they are in use. */
      used: new Set<Digest>()
    }
    const keptBlob = (digest: Digest): KeptBlob => ({
      digest,
      bytes: sizes.get(digest) ?? 0,
      complete: true,
      usedAt: Number(digest.charAt(7))
    })
    const log: string[] = []
    const store = {
      usage: Effect.suspend(() =>
        Effect.as(script.usage, { kept: [...sizes.keys()].map(keptBlob), other: 0 })
      ),
      measure: (digest: Digest) =>
        Effect.map(script.measure, () => (sizes.has(digest) ? Option.some(keptBlob(digest)) : Option.none())),
      remove: (digest: Digest) => Effect.sync(() => void sizes.delete(digest)),
      noteUse: () => Effect.void,
      putMetainfo: () => Effect.void,
      openPieces: () =>
        Effect.succeed({
          metainfo: { digest: three, length: 400, pieceLength: 100 },
          store: (_: number, __: unknown, ___: unknown, done: (outcome: StoreOutcome) => void) =>
            done({ tag: "Stored" }),
          complete: Effect.void
        } as unknown as PieceFile)
    } as unknown as BlobStore
    const metrics = makeRoleMetrics("agent")
    const disk = yield* makeDiskBudget({
      blobs: store,
      config: { budget: 1000, highWatermark: 0.9, lowWatermark: 0.7 },
      metrics
    }).pipe(Effect.provideServiceEffect(Timers, clockTimers))
    const metric = (name: string) =>
      Number(new RegExp(`^shoal_disk_${name}\\{[^}]*\\} ([0-9.]+)$`, "m").exec(metrics.text())?.[1])
    const evicted: string[] = []
    const run = disk.run((digest) =>
      Effect.gen(function* () {
        if (script.used.has(digest)) return false
        evicted.push(digest.charAt(7))
        yield* disk.blobs.remove(digest)
        return true
      })
    )
    return { disk, run, script, sizes, evicted, metric, log }
  }).pipe((made) =>
    withLimits(made, AgentLimits, {
      diskRoomPatience: seconds(30),
      diskRetryPause: seconds(5),
      diskSurveyInterval: seconds(300)
    })
  )

const settle = TestClock.adjust(Duration.millis(1))

describe("downloads that wait for room", () => {
  it.effect("are admitted as soon as they fit, and a smaller one need not wait for a larger one", () =>
    Effect.gen(function* () {
      const { disk, metric } = yield* scene()
      const first = yield* Scope.make()
      yield* Scope.provide(disk.admit(one, 600, 600), first)
      const large = yield* Effect.forkScoped(disk.admit(two, 500, 500))
      yield* settle
      yield* disk.admit(three, 300, 300)
      expect(large.pollUnsafe()).toBeUndefined()
      expect(metric("committed_bytes")).toBe(900)
      yield* Scope.close(first, Exit.void)
      yield* Fiber.join(large)
      expect(metric("committed_bytes")).toBe(800)
    })
  )

  it.effect("leave the queue when their client hangs up", () =>
    Effect.gen(function* () {
      const { disk, metric } = yield* scene()
      const first = yield* Scope.make()
      yield* Scope.provide(disk.admit(one, 600, 600), first)
      const waiting = yield* Effect.forkChild(Effect.scoped(disk.admit(two, 500, 500)))
      yield* settle
      yield* Fiber.interrupt(waiting)
      yield* Scope.close(first, Exit.void)
      expect(metric("committed_bytes")).toBe(0)
      expect(metric("refusals_total")).toBe(0)
      yield* Effect.scoped(disk.admit(three, 1000, 1000))
    })
  )

  it.effect("are refused after the patience, and at once if they are larger than the budget", () =>
    Effect.gen(function* () {
      const { disk, metric } = yield* scene()
      yield* disk.admit(one, 600, 600)
      const waiting = yield* Effect.forkChild(Effect.flip(Effect.scoped(disk.admit(two, 500, 500))))
      yield* TestClock.adjust("29999 millis")
      expect(waiting.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 millis")
      expect((yield* Fiber.join(waiting)).message).toBe(
        `no room for ${two} of 500 bytes: the disk budget (disk.budget) is 1000 bytes, ` +
          "and 600 bytes of it are being downloaded or read: try again, or raise it"
      )
      expect((yield* Effect.flip(Effect.scoped(disk.admit(three, 1001, 1001)))).message).toBe(
        `no room for ${three} of 1001 bytes: the disk budget (disk.budget) is 1000 bytes, 1000 of them for blobs: raise it`
      )
      expect([metric("refusals_total"), metric("committed_bytes")]).toEqual([2, 600])
    })
  )

  it.effect("get the room of a blob when its last reader leaves", () =>
    Effect.gen(function* () {
      const { disk, run } = yield* scene({ 1: 600 })
      yield* run
      const reading = yield* Scope.make()
      yield* Scope.provide(disk.hold(one), reading)
      const waiting = yield* Effect.forkScoped(disk.admit(two, 500, 500))
      yield* settle
      expect(waiting.pollUnsafe()).toBeUndefined()
      yield* Scope.close(reading, Exit.void)
      yield* Fiber.join(waiting)
    })
  )
})

describe("the fiber of a disk budget", () => {
  it.effect("evicts at the start, and after a change that exceeds the high watermark", () =>
    Effect.gen(function* () {
      const { disk, run, sizes, evicted, metric } = yield* scene({ 1: 300, 2: 300, 3: 301 })
      yield* run
      expect(evicted).toEqual(["1"])
      expect([metric("evictions_total"), metric("evicted_bytes_total"), metric("used_bytes")]).toEqual([
        1, 300, 601
      ])
      yield* settle
      sizes.set(one, 400)
      yield* TestClock.adjust("1 minute")
      expect(evicted).toEqual(["1"])
      yield* disk.blobs.putMetainfo({ digest: one } as Metainfo)
      yield* settle
      expect(evicted).toEqual(["1", "1"])
    })
  )

  it.effect("is woken by the pieces of a download", () =>
    Effect.gen(function* () {
      const { disk, run, evicted } = yield* scene({ 1: 400, 2: 400 })
      yield* run
      yield* disk.admit(three, 400, 400)
      const noProof = new Uint8Array(0)
      const file = yield* disk.blobs.openPieces({ digest: three } as Metainfo)
      file.store(0, new Uint8Array(100), noProof, () => {})
      yield* settle
      expect(evicted).toEqual([])
      file.store(1, new Uint8Array(100), noProof, () => {})
      yield* settle
      expect(evicted).toEqual(["1"])
    })
  )

  it.effect("tries a blob in use again after a pause", () =>
    Effect.gen(function* () {
      const { run, script, evicted, metric } = yield* scene({ 1: 500, 2: 500 })
      script.used.add(one)
      script.used.add(two)
      yield* run
      yield* settle
      expect([evicted, metric("evictions_total")]).toEqual([[], 0])
      script.used.clear()
      yield* TestClock.adjust("4998 millis")
      expect(evicted).toEqual([])
      yield* TestClock.adjust("2 millis")
      expect(evicted).toHaveLength(1)
    })
  )

  it.effect("warns once while the budget is exceeded, and again after it was not", () =>
    Effect.gen(function* () {
      const { run, script, sizes, log } = yield* scene({ 1: 1001 })
      script.used.add(one)
      yield* logged(
        Effect.gen(function* () {
          yield* run
          yield* TestClock.adjust("20 seconds")
          expect(log).toHaveLength(1)
          expect(log[0]).toMatch(/^Warn the disk budget is exceeded/)
          sizes.set(one, 1000)
          yield* TestClock.adjust("300 seconds")
          expect(log).toHaveLength(1)
          sizes.set(one, 1001)
          yield* TestClock.adjust("300 seconds")
          expect(log).toHaveLength(2)
        }),
        log
      )
    })
  )

  it.effect("goes on after a measurement failed, which the log says", () =>
    Effect.gen(function* () {
      const { disk, run, script, sizes, evicted, log } = yield* scene({ 1: 400, 2: 400 })
      yield* logged(
        Effect.gen(function* () {
          yield* run
          script.measure = Effect.fail(ioError)
          yield* disk.blobs.remove(digestOf("9"))
          yield* settle
          expect(log).toEqual(["Warn cannot measure the disk: BlobStoreError: no disk"])
          script.usage = Effect.fail(ioError)
          yield* TestClock.adjust("300 seconds")
          expect(log).toHaveLength(2)
          script.usage = Effect.void
          sizes.set(three, 400)
          yield* TestClock.adjust("300 seconds")
          expect(evicted).toEqual(["1", "2"])
        }),
        log
      )
    })
  )

  it.effect("does not start if the first survey fails", () =>
    Effect.gen(function* () {
      const { run, script } = yield* scene()
      script.usage = Effect.fail(ioError)
      expect(yield* Effect.flip(run)).toBe(ioError)
    })
  )
})
