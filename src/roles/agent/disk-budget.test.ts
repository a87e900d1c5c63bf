// Tests of the disk budget over a store in memory and a test clock: which downloads wait or fail, and what is
// evicted.

import { hash } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { clockTimers } from "../../../testing/roles/clock-timers.ts"
import { type MemoryBlobs, makeMemoryBlobs } from "../../../testing/roles/memory-blob-store.ts"
import { sumOf } from "../../../testing/roles/metrics.ts"
import { someBytes } from "../../../testing/roles/push.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { seconds } from "../../protocol/kit/time.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { BlobStoreError } from "../services/blob-store.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { Timers } from "../services/timers.ts"
import { type BoundedDisk, makeDiskBudget } from "./disk-budget.ts"
import { AgentLimits, agentLimits } from "./limits.ts"

const digestOf = (bytes: Uint8Array): Digest => `sha256:${hash("sha256", bytes, "hex")}` as Digest

interface Stage {
  readonly disk: BoundedDisk
  readonly store: MemoryBlobs
  readonly evicted: Digest[]
  /** Each eviction waits for this. */
  gate: Effect.Effect<void, BlobStoreError>
  /** Puts a blob of 100 bytes into the store, like a completed download. */
  readonly put: (seed: number) => Effect.Effect<Digest, unknown>
  readonly metrics: () => string
}

/** A budget of 1000 bytes with watermarks at 900 and 700. */
const stage: Effect.Effect<Stage, BlobStoreError, Scope.Scope> = Effect.gen(function* () {
  const store = makeMemoryBlobs({ digest: (_, bytes) => digestOf(bytes), swarmId: () => "" as never })
  const metrics = makeRoleMetrics("agent")
  const disk = yield* makeDiskBudget({
    blobs: store,
    config: { budget: 1000, highWatermark: 0.9, lowWatermark: 0.7 },
    metrics
  }).pipe(Effect.provideServiceEffect(Timers, clockTimers))
  const made: Stage = {
    disk,
    store,
    evicted: [],
    gate: Effect.void,
    put: (seed) =>
      Effect.gen(function* () {
        const bytes = someBytes(seed, 100)
        const digest = digestOf(bytes)
        store.blobs.set(digest, bytes)
        yield* disk.blobs.remove("sha256:none" as Digest)
        yield* Effect.scoped(disk.hold(digest))
        // A commit reports the change, as a download would.
        const upload = yield* store.createUpload
        store.uploads.set(upload, bytes)
        yield* disk.blobs.commitUpload(upload, digest)
        yield* TestClock.adjust(Duration.millis(10))
        return digest
      }),
    metrics: metrics.text
  }
  yield* disk.run((digest) =>
    Effect.gen(function* () {
      yield* made.gate
      made.evicted.push(digest)
      yield* disk.blobs.remove(digest)
      return true
    })
  )
  return made
})

const settle = TestClock.adjust(Duration.millis(1))

describe("disk budget", () => {
  it.effect("evicts the least recently used blobs and counts them", () =>
    Effect.gen(function* () {
      const { disk, put, evicted, metrics, store } = yield* stage
      const digests: Digest[] = []
      for (let seed = 0; seed < 9; seed++) digests.push(yield* put(seed))
      expect(evicted).toEqual([])
      yield* Effect.scoped(disk.hold(digests[0]!))
      digests.push(yield* put(9))
      expect(evicted).toEqual([digests[1], digests[2], digests[3]])
      expect(store.blobs.size).toBe(7)
      const text = metrics()
      expect(sumOf(text, "shoal_disk_used_bytes")).toBe(700)
      expect(sumOf(text, "shoal_disk_budget_bytes")).toBe(1000)
      expect(sumOf(text, "shoal_disk_evictions_total")).toBe(3)
      expect(sumOf(text, "shoal_disk_evicted_bytes_total")).toBe(300)
    })
  )

  it.effect("keeps a blob while it is read and evicts it afterwards", () =>
    Effect.gen(function* () {
      const { disk, put, evicted, metrics } = yield* stage
      const reading = yield* Scope.make()
      const digests: Digest[] = []
      for (let seed = 0; seed < 11; seed++) {
        const digest = digestOf(someBytes(seed, 100))
        digests.push(digest)
        yield* Scope.provide(disk.hold(digest), reading)
        yield* put(seed)
      }
      expect(evicted).toEqual([])
      yield* Scope.close(reading, Exit.void)
      yield* settle
      expect(evicted.length).toBeGreaterThan(0)
      expect(sumOf(metrics(), "shoal_disk_used_bytes")).toBeLessThanOrEqual(900)
    })
  )

  it.effect("makes a reader wait for an eviction, after which the blob is gone", () =>
    Effect.gen(function* () {
      const made = yield* stage
      const { disk, put, store, evicted } = made
      const gate = yield* Deferred.make<void>()
      made.gate = Deferred.await(gate)
      const first = yield* put(0)
      for (let seed = 1; seed < 10; seed++) yield* put(seed)
      const found = yield* Effect.forkScoped(
        Effect.scoped(
          Effect.andThen(
            disk.hold(first),
            Effect.sync(() => store.blobs.has(first))
          )
        )
      )
      yield* settle
      expect(found.pollUnsafe()).toBeUndefined()
      yield* Deferred.succeed(gate, undefined)
      expect(yield* Fiber.join(found)).toBe(false)
      expect(evicted[0]).toBe(first)
    })
  )

  it.effect("makes a download wait for room and refuses it after the patience", () =>
    Effect.gen(function* () {
      const { disk, metrics } = yield* stage
      const [one, two, three] = [1, 2, 3].map((seed) => digestOf(someBytes(seed, 1))) as [
        Digest,
        Digest,
        Digest
      ]
      const first = yield* Scope.make()
      yield* Scope.provide(disk.admit(one, 600, 600), first)
      expect(sumOf(metrics(), "shoal_disk_committed_bytes")).toBe(600)
      const second = yield* Effect.forkScoped(disk.admit(two, 500, 500))
      const third = yield* Effect.forkScoped(Effect.flip(Effect.scoped(disk.admit(three, 700, 700))))
      yield* settle
      expect(second.pollUnsafe()).toBeUndefined()
      // A second reader of the same download needs no more room.
      yield* disk.admit(one, 600, 600).pipe(Effect.scoped)
      yield* Scope.close(first, Exit.void)
      yield* Fiber.join(second)
      yield* TestClock.adjust(Duration.micros(BigInt(agentLimits.diskRoomPatience)))
      const why = yield* Fiber.join(third)
      expect(why.message).toMatch(/no room for sha256:.* of 700 bytes: .* 1000 bytes.* 500 bytes.*try again/)
      const large = yield* Effect.flip(Effect.scoped(disk.admit(three, 1001, 1001)))
      expect(large.message).toContain("raise it")
      expect(sumOf(metrics(), "shoal_disk_refusals_total")).toBe(2)
      yield* Effect.scoped(disk.admit(three, 1001, 400))
    })
  )

  it.effect("gives the room of a cancelled download to the next", () =>
    Effect.gen(function* () {
      const { disk } = yield* stage
      const [one, two] = [1, 2].map((seed) => digestOf(someBytes(seed, 1))) as [Digest, Digest]
      const waiting = yield* Effect.forkScoped(
        Effect.scoped(
          Effect.gen(function* () {
            yield* disk.admit(one, 600, 600)
            return yield* Effect.never
          })
        )
      )
      yield* settle
      const next = yield* Effect.forkScoped(Effect.scoped(disk.admit(two, 600, 600)))
      const gaveUp = yield* Effect.forkScoped(Effect.scoped(disk.admit(two, 600, 600)))
      yield* settle
      yield* Fiber.interrupt(gaveUp)
      yield* Fiber.interrupt(waiting)
      yield* Fiber.join(next)
      yield* Effect.scoped(disk.admit(one, 1000, 1000))
    })
  )

  it.effect("goes on after a failed eviction and tries it again", () =>
    Effect.gen(function* () {
      const made = yield* stage
      const { put, evicted } = made
      made.gate = Effect.fail(new BlobStoreError({ reason: "io", message: "told to fail" }))
      for (let seed = 0; seed < 10; seed++) yield* put(seed)
      expect(evicted).toEqual([])
      made.gate = Effect.void
      yield* TestClock.adjust(Duration.micros(BigInt(agentLimits.diskRetryPause)))
      expect(evicted.length).toBe(3)
    })
  )

  it.effect("surveys the store every diskSurveyInterval", () =>
    Effect.gen(function* () {
      const { metrics, store } = yield* withLimits(stage, AgentLimits, { diskSurveyInterval: seconds(10) })
      const used = () => sumOf(metrics(), "shoal_disk_used_bytes")
      const surveyed: number[] = []
      for (let second = 1; second <= 35; second++) {
        // Bytes that nobody reports: a survey finds them.
        store.uploads.set(`upload-${second}`, new Uint8Array(1))
        const before = used()
        yield* TestClock.adjust(Duration.seconds(1))
        if (used() !== before) surveyed.push(second)
      }
      expect(surveyed).toEqual([10, 20, 30])
    })
  )

  it.effect("records uses at each survey and at the end", () =>
    Effect.gen(function* () {
      const life = yield* Scope.make()
      const { disk, put, store } = yield* Scope.provide(stage, life)
      const notes: number[] = []
      const noteUse = store.noteUse
      Object.assign(store, {
        noteUse: (digest: Digest, at: number) =>
          Effect.tap(noteUse(digest, at), () => Effect.sync(() => notes.push(at)))
      })
      const digest = yield* put(1)
      for (let second = 0; second < 200; second++) {
        yield* Effect.scoped(disk.hold(digest))
        yield* TestClock.adjust(Duration.seconds(1))
      }
      expect(notes.length).toBe(0)
      yield* TestClock.adjust(Duration.seconds(100))
      expect(notes.length).toBe(1)
      yield* Effect.scoped(disk.hold(digest))
      yield* Scope.close(life, Exit.void)
      expect(notes.length).toBe(2)
    })
  )
})
