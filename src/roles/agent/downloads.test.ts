// Tests of downloads over a swarm that the test fills piece by piece, a scripted tracker and a test clock.

import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Option, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { type ClockTimers, clockTimers } from "../../../testing/roles/clock-timers.ts"
import { logged } from "../../../testing/roles/logged.ts"
import { Bitfield } from "../../protocol/kit/bitfield.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { Torrent } from "../../protocol/wire/metainfo.ts"
import { blobUnknown } from "../client/origin-errors.ts"
import { type TrackerClient, TrackerUnavailable } from "../client/tracker-client.ts"
import { type BlobSelection, wholeOf } from "../oci/byte-range.ts"
import type { Announcer } from "../peer/announcer.ts"
import { SwarmBroken, SwarmEntry } from "../peer/open-swarm.ts"
import type { PeerEngine } from "../peer/peer-engine.ts"
import type { BlobStore, LoadOutcome, PieceFile } from "../services/blob-store.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { Timers } from "../services/timers.ts"
import type { DiskBudget } from "./disk-budget.ts"
import { type Downloads, makeDownloads } from "./downloads.ts"
import { agentLimits } from "./limits.ts"

const digest = `sha256:${"1".repeat(64)}` as Digest

/** Three pieces of four bytes: 0123 4567 89. */
const torrent: Torrent = {
  swarm: "1".repeat(64) as SwarmId,
  metainfo: { digest, length: 10, pieceLength: 4, root: new Uint8Array(32) }
}

const content = Uint8Array.from({ length: 10 }, (_, index) => index)

interface Stage {
  readonly downloads: Downloads
  /** The open swarm, if there is one. */
  readonly swarm: () => SwarmEntry | undefined
  /** A piece arrives. */
  readonly store: (piece: number) => void
  /** The check of the whole digest succeeds. */
  readonly complete: Effect.Effect<void>
  readonly asked: { metainfo: number; opened: number; removed: number }
  readonly tracker: { answer: "known" | "unknown" | "away" }
  readonly ahead: Array<string>
  readonly armed: ClockTimers["armed"]
}

const stageOn = (disk?: DiskBudget): Effect.Effect<Stage, never, Scope.Scope> =>
  Effect.gen(function* () {
    const asked = { metainfo: 0, opened: 0, removed: 0 }
    const answers: Stage["tracker"] = { answer: "known" }
    const ahead: string[] = []
    const timers = yield* clockTimers
    let open: SwarmEntry | undefined
    const file = {
      ...torrent,
      have: () => new Bitfield(3),
      load: (piece: number, done: (outcome: LoadOutcome) => void) =>
        done({ tag: "Loaded", payload: content.subarray(4 * piece, 4 * piece + 4), proof: new Uint8Array(0) })
    } as Partial<PieceFile> as PieceFile
    const engine = {
      open: (_metainfo, { onDemand }) =>
        Effect.acquireRelease(
          Effect.gen(function* () {
            asked.opened++
            open = new SwarmEntry(
              file,
              yield* Scope.make(),
              timers,
              {
                feed: (input) => {
                  if (input.tag === "ReaderMoved") ahead.push(`${input.firstPiece}-${input.endPiece}`)
                  if (input.tag === "ReaderLeft") ahead.push("left")
                  if (input.tag === "DemandChanged") ahead.push(input.whole ? "whole" : "on demand")
                },
                status: () => undefined,
                breakSwarm: (_, why) => open?.markBroken(why)
              },
              onDemand
            )
            if (onDemand) ahead.push("on demand")
            return open
          }),
          () =>
            Effect.sync(() => {
              open = undefined
            })
        )
    } as Partial<PeerEngine> as PeerEngine
    const tracker = {
      metainfo: () =>
        Effect.suspend((): ReturnType<TrackerClient["metainfo"]> => {
          asked.metainfo++
          if (answers.answer === "known") return Effect.succeed(torrent)
          return answers.answer === "unknown"
            ? Effect.fail(blobUnknown(digest, []))
            : Effect.fail(new TrackerUnavailable({ message: "no tracker answered" }))
        })
    } as Partial<TrackerClient> as TrackerClient
    const blobs = {
      stat: () => Effect.succeed(Option.none()),
      metainfo: () => Effect.succeed(Option.none()),
      putMetainfo: () => Effect.succeed(torrent),
      remove: () => Effect.sync(() => void asked.removed++)
    } as Partial<BlobStore> as BlobStore
    const announcer = {
      used: () => Effect.void,
      join: () => Effect.void,
      completed: () => Effect.void
    } as Partial<Announcer> as Announcer
    const downloads = yield* makeDownloads({
      blobs,
      engine,
      tracker,
      announcer,
      metrics: makeRoleMetrics("agent"),
      ...(disk === undefined ? {} : { disk })
    }).pipe(Effect.provideService(Timers, timers))
    return {
      downloads,
      swarm: () => open,
      store: (piece) => {
        open?.have.set(piece)
        open?.stored(piece)
      },
      complete: Effect.suspend(() => Effect.asVoid(Deferred.succeed(open!.done, undefined))),
      asked,
      tracker: answers,
      ahead,
      armed: timers.armed
    }
  })

const stage = stageOn()

const rangesOf = (...ranges: ReadonlyArray<readonly [number, number]>): BlobSelection => ({
  ranges: ranges.map(([start, end]) => ({ start, end })),
  isWhole: false
})

const settle = TestClock.adjust(Duration.millis(1))

const bytesOf = (stream: ReturnType<Downloads["read"]>, into: number[]) =>
  Stream.runForEach(stream, (chunk) => Effect.sync(() => void into.push(...chunk)))

describe("a download on a disk with a budget", () => {
  it.effect(
    "asks for room for every piece that its ranges touch, and for the whole blob when it is wanted whole",
    () =>
      Effect.gen(function* () {
        const admitted: Array<readonly [length: number, more: number]> = []
        const { downloads } = yield* stageOn({
          hold: () => Effect.void,
          admit: (_, length, more) => Effect.sync(() => void admitted.push([length, more]))
        })
        for (const selection of [
          rangesOf([0, 1]),
          rangesOf([3, 5]),
          rangesOf([0, 1], [9, 10]),
          rangesOf([4, 8]),
          wholeOf(10)
        ]) {
          yield* downloads.prepare("demo", digest, selection)
        }
        // Pieces of four bytes, the last one counted like the others.
        expect(admitted).toEqual([
          [10, 4],
          [10, 8],
          [10, 8],
          [10, 4],
          [10, 10]
        ])
      })
  )
})

describe("downloads", () => {
  it.effect("deliver bytes in order as pieces arrive, the last piece after the check of the whole", () =>
    Effect.gen(function* () {
      const { downloads, store, complete, ahead } = yield* stage
      const got: number[] = []
      const reading = yield* Effect.forkScoped(bytesOf(downloads.read("demo", digest, wholeOf(10)), got))
      yield* settle
      store(1)
      yield* settle
      expect(got).toEqual([])
      store(0)
      yield* settle
      expect(got).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
      store(2)
      yield* settle
      expect(got.length).toBe(8)
      yield* complete
      yield* Fiber.join(reading)
      expect(got).toEqual([...content])
      expect(ahead[0]).toBe("0-3")
      expect(ahead.at(-1)).toBe("left")
    })
  )

  it.effect("deliver the end of a range without waiting for the whole", () =>
    Effect.gen(function* () {
      const { downloads, store } = yield* stage
      const got: number[] = []
      const reading = yield* Effect.forkScoped(
        bytesOf(downloads.read("demo", digest, rangesOf([7, 10])), got)
      )
      yield* settle
      store(1)
      store(2)
      yield* Fiber.join(reading)
      expect(got).toEqual([7, 8, 9])
    })
  )

  it.effect("of ranges request the pieces that they touch, in the order of the ranges, a few ahead", () =>
    Effect.gen(function* () {
      const { downloads, store, ahead } = yield* stage
      const got: number[] = []
      const reading = yield* Effect.forkScoped(
        bytesOf(downloads.read("demo", digest, rangesOf([9, 10], [1, 2], [3, 5])), got)
      )
      yield* settle
      expect(ahead).toEqual(["on demand", "2-3", "0-1"])
      for (const piece of [0, 2, 1]) store(piece)
      yield* Fiber.join(reading)
      expect(got).toEqual([9, 1, 3, 4])
      expect(ahead.slice(3).every((told) => told === "left" || /^[01]-[12]$/.test(told))).toBe(true)
    })
  )

  it.effect("of a range that ends leave nothing wanted, and a later client may want the whole", () =>
    Effect.gen(function* () {
      const { downloads, store, complete, ahead } = yield* stage
      const reading = yield* Effect.forkScoped(bytesOf(downloads.read("demo", digest, rangesOf([0, 10])), []))
      yield* settle
      expect(ahead).toEqual(["on demand", "0-2"])
      yield* Fiber.interrupt(reading)
      expect(ahead.at(-1)).toBe("left")
      const whole = yield* Effect.forkScoped(bytesOf(downloads.read("demo", digest, wholeOf(10)), []))
      yield* settle
      expect(ahead.slice(3)).toEqual(["whole", "0-3"])
      yield* Fiber.interrupt(whole)
      expect(ahead.slice(5)).toEqual(["left", "on demand"])
      const pull = yield* Effect.forkScoped(downloads.pull("demo", digest))
      yield* settle
      expect(ahead.at(-1)).toBe("whole")
      for (const piece of [0, 1, 2]) store(piece)
      yield* complete
      yield* Fiber.join(pull)
    })
  )

  it.effect("do not stall while no reader waits for a piece", () =>
    Effect.gen(function* () {
      const { downloads, store, swarm } = yield* stage
      const gate = yield* Deferred.make<void>()
      const got: number[] = []
      const slow = Stream.tap(downloads.read("demo", digest, rangesOf([0, 10])), () => Deferred.await(gate))
      const reading = yield* Effect.forkScoped(Effect.exit(bytesOf(slow, got)))
      yield* settle
      store(0)
      yield* TestClock.adjust(Duration.micros(BigInt(3 * agentLimits.stalledPullTimeout)))
      expect(swarm()?.broken).toBeUndefined()
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      expect(got).toEqual([0, 1, 2, 3])
      yield* TestClock.adjust(Duration.micros(BigInt(agentLimits.stalledPullTimeout - 1_000_000)))
      expect(swarm()?.broken).toBeUndefined()
      yield* TestClock.adjust(Duration.seconds(121))
      expect(Exit.isFailure(yield* Fiber.join(reading))).toBe(true)
    })
  )

  it.effect("are shared by all clients", () =>
    Effect.gen(function* () {
      const { downloads, asked, complete } = yield* stage
      const pulls = yield* Effect.forkScoped(
        Effect.all([downloads.pull("demo", digest), downloads.pull("other", digest)], {
          concurrency: "unbounded"
        })
      )
      yield* settle
      yield* complete
      yield* Fiber.join(pulls)
      expect(asked).toEqual({ metainfo: 1, opened: 1, removed: 0 })
    })
  )

  it.effect("end a while after the last client hung up, with their timers", () =>
    Effect.gen(function* () {
      const { downloads, swarm, armed } = yield* stage
      const reading = yield* Effect.forkScoped(bytesOf(downloads.read("demo", digest, wholeOf(10)), []))
      yield* settle
      expect(swarm()).toBeDefined()
      expect(armed.size).toBe(1)
      yield* Fiber.interrupt(reading)
      yield* settle
      expect(swarm()).toBeDefined()
      yield* TestClock.adjust(Duration.micros(BigInt(agentLimits.abandonedDownloadLinger)))
      expect(swarm()).toBeUndefined()
      expect(armed.size).toBe(0)
    })
  )

  it.effect("fail at once for an unknown blob", () =>
    Effect.gen(function* () {
      const { downloads, tracker } = yield* stage
      tracker.answer = "unknown"
      const error = yield* Effect.flip(downloads.pull("demo", digest))
      expect(error._tag).toBe("BlobUnknown")
    })
  )

  it.effect("wait for a tracker that is away, then fail with a reason", () =>
    Effect.gen(function* () {
      const { downloads, tracker, asked, complete } = yield* stage
      tracker.answer = "away"
      const first = yield* Effect.forkScoped(downloads.pull("demo", digest))
      yield* TestClock.adjust(Duration.seconds(5))
      expect(asked.metainfo).toBeGreaterThan(3)
      tracker.answer = "known"
      yield* TestClock.adjust(Duration.seconds(3))
      yield* complete
      yield* Fiber.join(first)

      yield* TestClock.adjust(Duration.seconds(60))
      tracker.answer = "away"
      const lines: string[] = []
      const pulls = Effect.all([downloads.pull("demo", digest), downloads.torrent("demo", digest)], {
        concurrency: "unbounded"
      })
      const second = yield* Effect.forkScoped(Effect.exit(logged(pulls, lines)))
      yield* TestClock.adjust(Duration.micros(BigInt(agentLimits.metainfoPatience + 5_000_000)))
      const exit = yield* Fiber.join(second)
      expect(Exit.isFailure(exit)).toBe(true)
      expect(String(Exit.isFailure(exit) ? exit.cause : "")).toContain("no tracker answered")
      expect(lines).toEqual([
        `Warn a pull failed: no metainfo for ${digest}: no tracker answered namespace=demo digest=${digest} pieces=none`
      ])
    })
  )

  it.effect("that make no progress fail with their state, and the next client starts again", () =>
    Effect.gen(function* () {
      const lines: string[] = []
      const { downloads, asked, store, complete } = yield* logged(stage, lines)
      const pull = Effect.flip(downloads.pull("demo", digest))
      const stalled = yield* Effect.forkScoped(Effect.all([pull, pull], { concurrency: "unbounded" }))
      yield* settle
      store(1)
      yield* TestClock.adjust(Duration.micros(BigInt(agentLimits.stalledPullTimeout)))
      const [error] = yield* Fiber.join(stalled)
      expect(error.message).toContain("no piece arrived for 120 s")
      expect(lines).toEqual([
        expect.stringMatching(
          `^Warn a pull failed: no piece arrived for 120 s .* digest=${digest} namespace=demo pieces=1 of 3$`
        )
      ])
      const again = yield* Effect.forkScoped(downloads.pull("demo", digest))
      yield* settle
      yield* complete
      yield* Fiber.join(again)
      expect(asked.opened).toBe(2)
    })
  )

  it.effect("with a wrong digest are removed from the store, and the open response breaks off", () =>
    Effect.gen(function* () {
      const { downloads, store, swarm, asked } = yield* stage
      const got: number[] = []
      const reading = yield* Effect.forkScoped(
        Effect.flip(bytesOf(downloads.read("demo", digest, wholeOf(10)), got))
      )
      yield* settle
      for (const piece of [0, 1, 2]) store(piece)
      yield* settle
      swarm()!.markBroken(new SwarmBroken({ reason: "content", message: "the origin is wrong" }))
      const error = yield* Fiber.join(reading)
      expect(error.message).toContain("the origin is wrong")
      expect(got.length).toBe(8)
      yield* settle
      expect(asked.removed).toBe(1)
    })
  )
})
