// Downloads of a blob that an origin is still receiving: how long they go on, and what is announced in the end.

import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Option, Scope } from "effect"
import { TestClock } from "effect/testing"
import { clockTimers } from "../../../testing/roles/clock-timers.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { Bitfield } from "../../protocol/kit/bitfield.ts"
import { seconds } from "../../protocol/kit/time.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import { isArrival, type SwarmInfo, type Torrent } from "../../protocol/wire/metainfo.ts"
import { BlobOnItsWay, blobUnknown } from "../client/origin-errors.ts"
import { type TrackerClient, TrackerUnavailable } from "../client/tracker-client.ts"
import type { Announcer } from "../peer/announcer.ts"
import { SwarmEntry } from "../peer/open-swarm.ts"
import type { PeerEngine } from "../peer/peer-engine.ts"
import { type BlobStore, BlobStoreError, type PieceFile } from "../services/blob-store.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { Timers } from "../services/timers.ts"
import { followArrival } from "./arriving-download.ts"
import { makeDownloads } from "./downloads.ts"
import { AgentLimits } from "./limits.ts"

const digest = `sha256:${"1".repeat(64)}` as Digest
const blob = { digest, length: 10, pieceLength: 4 }
const whole: Torrent = { swarm: "2".repeat(64) as SwarmId, metainfo: { ...blob, root: new Uint8Array(32) } }
const arrivalBy = (digit: string): Torrent<SwarmInfo> => ({
  swarm: digit.repeat(64) as SwarmId,
  metainfo: { ...blob, key: new Uint8Array(32) }
})
const ioError = new BlobStoreError({ reason: "io", message: "no disk" })

type Answer = ReturnType<TrackerClient["metainfo"]>

const still: Answer = Effect.succeed(arrivalBy("1"))

/** A pull of a blob that arrives, over scripted services. */
const scene = Effect.gen(function* () {
  const log: string[] = []
  const say = (text: string) => Effect.sync(() => void log.push(text))
  const script = {
    answer: still,
    asked: 0,
    kept: Effect.succeed(Option.some(whole)) as ReturnType<BlobStore["metainfo"]>,
    isDone: false
  }
  const timers = yield* clockTimers
  let open: SwarmEntry | undefined
  const blobs = {
    stat: () => Effect.succeed(Option.none()),
    metainfo: () => (script.isDone ? script.kept : Effect.succeedNone),
    remove: () => say("remove")
  } as Partial<BlobStore> as BlobStore
  const engine = {
    open: (metainfo: SwarmInfo) =>
      Effect.gen(function* () {
        expect(isArrival(metainfo)).toBe(true)
        const file = { ...arrivalBy("1"), have: () => new Bitfield(3) } as Partial<PieceFile>
        const face = {
          feed: () => {},
          status: () => undefined,
          breakSwarm: (_: SwarmId, why: Parameters<SwarmEntry["markBroken"]>[0]) => open?.markBroken(why)
        }
        open = new SwarmEntry(file as PieceFile, yield* Scope.make(), timers, face, false)
        return open
      })
  } as unknown as PeerEngine
  const tracker = {
    metainfo: () =>
      Effect.suspend(() => {
        script.asked++
        return script.answer
      })
  } as Partial<TrackerClient> as TrackerClient
  const announcer = {
    join: ({ swarm }: { readonly swarm: SwarmId }) => say(`join ${swarm[0]}`),
    completed: () => say("completed"),
    gone: (swarm: SwarmId) => say(`gone ${swarm[0]}`),
    seed: ({ swarm }: Torrent, namespace: string) => say(`seed ${swarm[0]} of ${namespace}`)
  } as Partial<Announcer> as Announcer
  const metrics = makeRoleMetrics("agent")
  const downloads = yield* makeDownloads({ blobs, engine, tracker, announcer, metrics }).pipe(
    Effect.provideService(Timers, timers)
  )
  const pull = yield* Effect.forkChild(Effect.exit(downloads.pull("demo", digest)))
  yield* TestClock.adjust(Duration.millis(1))
  const stores = (piece: number): void => {
    open?.have.set(piece)
    open?.stored(piece)
  }
  const complete = Effect.suspend(() => {
    script.isDone = true
    return Deferred.succeed(open!.done, undefined)
  })
  return { log, script, pull, stores, complete }
}).pipe((made) =>
  withLimits(made, AgentLimits, { arrivalCheckPause: seconds(5), stalledPullTimeout: seconds(12) })
)

const minute = TestClock.adjust(Duration.seconds(60))

describe("a download of a blob that arrives", () => {
  it.effect("waits as long as it arrives, however long no piece comes", () =>
    Effect.gen(function* () {
      const { script, pull, complete } = yield* scene
      yield* minute
      expect([pull.pollUnsafe(), script.asked]).toEqual([undefined, 13])
      yield* complete
      expect(yield* Fiber.join(pull)).toEqual(Exit.void)
    })
  )

  it.effect("ends soon when the blob is unknown, comes by another arrival, or is whole elsewhere", () =>
    Effect.gen(function* () {
      const answers: ReadonlyArray<Answer> = [
        Effect.fail(blobUnknown(digest)),
        Effect.fail(new BlobOnItsWay({ digest, message: "on its way" })),
        Effect.succeed(arrivalBy("3")),
        Effect.succeed(whole)
      ]
      for (const answer of answers) {
        const { script, pull, log } = yield* scene
        script.answer = answer
        yield* TestClock.adjust(Duration.seconds(5))
        expect(String(yield* Fiber.join(pull))).toContain("receives it no more")
        expect(log).toEqual(["join 1"])
      }
    })
  )

  it.effect("goes on by its arrival while pieces come, although the origin has the whole", () =>
    Effect.gen(function* () {
      const { script, pull, stores } = yield* scene
      script.answer = Effect.succeed(whole)
      for (const piece of [0, 1]) {
        stores(piece)
        yield* TestClock.adjust(Duration.seconds(5))
        expect(pull.pollUnsafe()).toBeUndefined()
      }
      yield* TestClock.adjust(Duration.seconds(5))
      expect(String(yield* Fiber.join(pull))).toContain("receives it no more")
    })
  )

  it.effect(
    "goes on while nobody waits for a piece, as a slow reader of a range, and ends when one does",
    () =>
      Effect.gen(function* () {
        const file = { ...arrivalBy("1"), have: () => new Bitfield(3) } as Partial<PieceFile>
        const face = {
          feed: () => {},
          status: () => undefined,
          breakSwarm: (_: SwarmId, why: Parameters<SwarmEntry["markBroken"]>[0]) => entry.markBroken(why)
        }
        const timers = yield* clockTimers
        const entry: SwarmEntry = new SwarmEntry(file as PieceFile, yield* Scope.make(), timers, face, true)
        const tracker = { metainfo: () => Effect.succeed(whole) } as Partial<TrackerClient> as TrackerClient
        yield* Effect.forkChild(followArrival(tracker, "demo", entry, seconds(5)))
        yield* minute
        expect(entry.broken).toBeUndefined()
        entry.whenStored(
          1,
          () => {},
          () => {}
        )
        yield* TestClock.adjust(Duration.seconds(10))
        expect(String(entry.broken)).toContain("receives it no more")
      })
  )

  it.effect("is not given up because trackers are away, but stalls like any other", () =>
    Effect.gen(function* () {
      const { script, pull } = yield* scene
      script.answer = Effect.fail(new TrackerUnavailable({ message: "away" }))
      yield* TestClock.adjust(Duration.seconds(11))
      expect(pull.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(Duration.seconds(2))
      expect(String(yield* Fiber.join(pull))).toContain("no piece arrived")
    })
  )

  it.effect("is announced by its metainfo in the end, and no more by its arrival", () =>
    Effect.gen(function* () {
      const { pull, complete, log } = yield* scene
      yield* complete
      yield* Fiber.join(pull)
      expect(log).toEqual(["join 1", "gone 1", "seed 2 of demo"])
    })
  )

  it.effect("is done although its metainfo cannot be read", () =>
    Effect.gen(function* () {
      const { pull, complete, log, script } = yield* scene
      script.kept = Effect.fail(ioError)
      yield* complete
      expect(yield* Fiber.join(pull)).toEqual(Exit.void)
      expect(log).toEqual(["join 1", "gone 1"])
    })
  )
})
