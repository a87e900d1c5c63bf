// Tests of downloads at their borders: the store, the disk budget, the tracker and the announcer, each scripted. Reads
// of a swarm are in downloads.test.ts.

import { describe, expect, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Option, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { clockTimers } from "../../../testing/roles/clock-timers.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { Bitfield } from "../../protocol/kit/bitfield.ts"
import { seconds } from "../../protocol/kit/time.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { Torrent } from "../../protocol/wire/metainfo.ts"
import { BlobOnItsWay } from "../client/origin-errors.ts"
import { type TrackerClient, TrackerUnavailable } from "../client/tracker-client.ts"
import { wholeOf } from "../oci/byte-range.ts"
import type { Announcer } from "../peer/announcer.ts"
import { SwarmBroken, SwarmEntry } from "../peer/open-swarm.ts"
import type { PeerEngine } from "../peer/peer-engine.ts"
import { BlobMissing, type BlobStore, BlobStoreError, type PieceFile } from "../services/blob-store.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { Timers } from "../services/timers.ts"
import { type DiskBudget, DiskBudgetSpent } from "./disk-budget.ts"
import { makeDownloads } from "./downloads.ts"
import { AgentLimits } from "./limits.ts"

const digestOf = (digit: string) => `sha256:${digit.repeat(64)}` as Digest
const torrentOf = (digest: Digest): Torrent => ({
  swarm: digest.slice(7) as SwarmId,
  metainfo: { digest, length: 10, pieceLength: 4, root: new Uint8Array(32) }
})
const digest = digestOf("1")
const ioError = new BlobStoreError({ reason: "io", message: "no disk" })
const selection = { ranges: [{ start: 0, end: 5 }], isWhole: false }

type Metainfo = ReturnType<TrackerClient["metainfo"]>

/** Downloads over scripted services, which log what they are asked. */
const scene = (disk?: Partial<DiskBudget>) =>
  Effect.gen(function* () {
    const log: string[] = []
    const say = (text: string) => Effect.sync(() => void log.push(text))
    const script = {
      whole: false,
      kept: false,
      stat: Effect.void as Effect.Effect<void, BlobStoreError>,
      read: Stream.succeed(new Uint8Array([7])) as Stream.Stream<Uint8Array, BlobMissing | BlobStoreError>,
      remove: Effect.void as Effect.Effect<void, BlobStoreError>,
      metainfo: [] as Metainfo[],
      swarms: [] as SwarmEntry[]
    }
    const timers = yield* clockTimers
    const blobs = {
      stat: () => Effect.as(script.stat, script.whole ? Option.some({ digest, length: 10 }) : Option.none()),
      metainfo: (asked: Digest) =>
        Effect.succeed(script.kept ? Option.some(torrentOf(asked)) : Option.none()),
      putMetainfo: ({ digest }: { readonly digest: Digest }) =>
        Effect.as(say("put metainfo"), torrentOf(digest)),
      read: (_: Digest, start: number, end: number) =>
        Stream.unwrap(Effect.as(say(`read ${start}-${end}`), script.read)),
      remove: () => Effect.andThen(say("remove"), script.remove)
    } as unknown as BlobStore
    const engine = {
      open: (metainfo: Torrent["metainfo"], { onDemand }: { readonly onDemand: boolean }) =>
        Effect.acquireRelease(
          Effect.gen(function* () {
            yield* say(`open ${metainfo.digest.charAt(7)}${onDemand ? " on demand" : ""}`)
            const file = { ...torrentOf(metainfo.digest), have: () => new Bitfield(3) } as Partial<PieceFile>
            const made = new SwarmEntry(
              file as PieceFile,
              yield* Scope.make(),
              timers,
              {
                feed: () => {},
                status: () => undefined,
                breakSwarm: (swarm, why) =>
                  script.swarms
                    .find((entry) => entry.swarm === swarm && entry.broken === undefined)
                    ?.markBroken(why)
              },
              onDemand
            )
            script.swarms.push(made)
            return made
          }),
          () => say(`close ${metainfo.digest.charAt(7)}`)
        )
    } as unknown as PeerEngine
    const tracker = {
      metainfo: (namespace: string, asked: Digest) =>
        Effect.suspend(() => {
          log.push(`ask ${namespace}`)
          return script.metainfo.shift() ?? Effect.succeed(torrentOf(asked))
        })
    } as Partial<TrackerClient> as TrackerClient
    const announcer = {
      used: () => say("used"),
      join: (torrent: Torrent, namespace: string) => say(`join ${torrent.swarm.charAt(0)} ${namespace}`),
      completed: () => say("announce complete")
    } as unknown as Announcer
    const metrics = makeRoleMetrics("agent")
    const downloads = yield* makeDownloads({
      ...{ blobs, engine, tracker, announcer, metrics },
      ...(disk === undefined ? {} : { disk: { hold: () => Effect.void, admit: () => Effect.void, ...disk } })
    }).pipe(Effect.provideService(Timers, timers))
    const complete = Effect.sync(() => {
      for (const { done } of script.swarms) Deferred.doneUnsafe(done, Effect.void)
    })
    return { downloads, log, script, complete, metrics: metrics.text }
  }).pipe((made) =>
    withLimits(made, AgentLimits, {
      abandonedDownloadLinger: seconds(2),
      stalledPullTimeout: seconds(10),
      metainfoPatience: seconds(30)
    })
  )

const settle = TestClock.adjust(Duration.millis(1))

describe("a blob that is whole in the store", () => {
  it.effect("is read from the store, range by range, and needs no download", () =>
    Effect.gen(function* () {
      const { downloads, log, script } = yield* scene()
      script.whole = true
      yield* downloads.pull("demo", digest)
      const ranges = {
        ranges: [
          { start: 4, end: 6 },
          { start: 0, end: 2 }
        ],
        isWhole: false
      }
      yield* Stream.runDrain(downloads.read("demo", digest, ranges))
      yield* downloads.prepare("demo", digest, selection)
      expect(log).toEqual(["used", "used", "read 4-6", "read 0-2"])
    })
  )

  it.effect("cannot be read if it was removed meanwhile, or if the store fails", () =>
    Effect.gen(function* () {
      const { downloads, script } = yield* scene()
      script.whole = true
      const messages: string[] = []
      const failing = Effect.map(
        Effect.flip(Stream.runDrain(downloads.read("demo", digest, selection))),
        (error) => void messages.push(`${error._tag}: ${error.message}`)
      )
      script.read = Stream.fail(new BlobMissing({ digest }))
      yield* failing
      script.read = Stream.fail(ioError)
      yield* failing
      script.stat = Effect.fail(ioError)
      yield* failing
      expect(messages).toEqual([
        `PullFailed: ${digest} was removed from the store`,
        "PullFailed: no disk",
        "PullFailed: no disk"
      ])
    })
  )
})

describe("the metainfo of a blob", () => {
  it.effect("is that of the store, or else the tracker's for the namespace", () =>
    Effect.gen(function* () {
      const { downloads, log, script } = yield* scene()
      expect(yield* downloads.torrent("demo", digest)).toEqual(torrentOf(digest))
      script.kept = true
      expect(yield* downloads.torrent("demo", digest)).toEqual(torrentOf(digest))
      expect(log).toEqual(["ask demo"])
    })
  )

  it.effect("is asked for again while an origin fetches the blob", () =>
    Effect.gen(function* () {
      const { downloads, log, script, metrics } = yield* scene()
      const onItsWay = Effect.fail(new BlobOnItsWay({ digest } as never)) as Metainfo
      script.metainfo = [onItsWay, onItsWay]
      const asking = yield* Effect.forkChild(downloads.torrent("demo", digest))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(asking)
      expect(log).toEqual(["ask demo", "ask demo", "ask demo"])
      expect(metrics()).not.toContain('what="metainfo"')
    })
  )

  it.effect("is asked for again while trackers are away, which is counted", () =>
    Effect.gen(function* () {
      const { downloads, script, metrics } = yield* scene()
      const away = Effect.fail(new TrackerUnavailable({ message: "away" }))
      script.metainfo = [away, away]
      const asking = yield* Effect.forkChild(downloads.torrent("demo", digest))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(asking)
      const counted = metrics().match(/shoal_tracker_failures_total\{[^}]*what="metainfo"[^}]*\} (\d)/g) ?? []
      expect(counted.map((line) => line.at(-1))).toContain("2")
      script.metainfo = Array.from({ length: 1000 }, () => away)
      const failing = yield* Effect.forkChild(Effect.flip(downloads.torrent("demo", digest)))
      yield* TestClock.adjust("25 seconds")
      expect(failing.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("10 seconds")
      expect((yield* Fiber.join(failing)).message).toBe(`no metainfo for ${digest}: away`)
    })
  )
})

describe("a download", () => {
  it.effect("joins the swarm in the namespace of its first client, and announces its completion", () =>
    Effect.gen(function* () {
      const { downloads, log, complete, metrics } = yield* scene()
      const pulls = yield* Effect.forkChild(
        Effect.all(
          [
            downloads.pull("demo", digest),
            downloads.pull("other", digest),
            downloads.pull("demo", digestOf("2"))
          ],
          { concurrency: "unbounded" }
        )
      )
      yield* settle
      expect(log).toEqual(["ask demo", "open 1", "join 1 demo", "ask demo", "open 2", "join 2 demo"])
      expect(metrics()).toMatch(/^shoal_downloads_underway\{[^}]*\} 2$/m)
      yield* complete
      yield* Fiber.join(pulls)
      expect(log.slice(6)).toEqual(["announce complete", "announce complete"])
      yield* TestClock.adjust("2 seconds")
      expect(log.slice(8)).toEqual(["close 1", "close 2"])
      expect(metrics()).toMatch(/^shoal_downloads_underway\{[^}]*\} 0$/m)
    })
  )

  it.effect("is started again for a client that comes after it was forgotten", () =>
    Effect.gen(function* () {
      const { downloads, log, complete } = yield* scene()
      const pull = Effect.gen(function* () {
        const pulling = yield* Effect.forkChild(downloads.pull("demo", digest))
        yield* settle
        yield* complete
        yield* Fiber.join(pulling)
      })
      yield* pull
      yield* pull
      expect(log.filter((line) => line === "open 1")).toHaveLength(1)
      yield* downloads.forget(digest)
      yield* pull
      expect(log.filter((line) => line === "open 1")).toHaveLength(2)
    })
  )

  it.effect("is opened on demand for ranges, and for the whole otherwise", () =>
    Effect.gen(function* () {
      const { downloads, log } = yield* scene()
      const read = (of: Digest, read: typeof selection) =>
        Effect.forkChild(Stream.runDrain(downloads.read("demo", of, read)))
      const fibers = [yield* read(digest, selection), yield* read(digestOf("2"), wholeOf(10) as never)]
      yield* settle
      expect(log.filter((line) => line.startsWith("open"))).toEqual(["open 1 on demand", "open 2"])
      yield* Effect.forEach(fibers, Fiber.interrupt)
    })
  )

  it.effect("with wrong content is removed, and started again even if that fails", () =>
    Effect.gen(function* () {
      const { downloads, log, script } = yield* scene()
      script.remove = Effect.fail(ioError)
      const pulling = yield* Effect.forkChild(Effect.flip(downloads.pull("demo", digest)))
      yield* settle
      script.swarms[0]?.markBroken(new SwarmBroken({ reason: "content", message: "wrong" }))
      expect((yield* Fiber.join(pulling)).message).toBe(`download of ${digest} ended: wrong`)
      yield* settle
      expect(log).toContain("remove")
      yield* Effect.forkChild(downloads.pull("demo", digest))
      yield* settle
      expect(log.filter((line) => line === "open 1")).toHaveLength(2)
    })
  )

  it.effect("that failed for another reason keeps its pieces", () =>
    Effect.gen(function* () {
      const { downloads, log, script } = yield* scene()
      const pulling = yield* Effect.forkChild(Effect.flip(downloads.pull("demo", digest)))
      yield* settle
      script.swarms[0]?.markBroken(new SwarmBroken({ reason: "storage", message: "full" }))
      yield* Fiber.join(pulling)
      yield* settle
      expect(log).not.toContain("remove")
    })
  )

  it.effect("stalls stalledPullTimeout after its last piece, and not when it is whole", () =>
    Effect.gen(function* () {
      const { downloads, script } = yield* scene()
      const pulling = yield* Effect.forkChild(Effect.exit(downloads.pull("demo", digest)))
      yield* settle
      yield* TestClock.adjust("9 seconds")
      const [swarm] = script.swarms
      swarm?.have.set(0)
      swarm?.stored(0)
      yield* TestClock.adjust("9999 millis")
      expect(swarm?.broken).toBeUndefined()
      yield* TestClock.adjust("1 millis")
      expect(swarm?.broken?.reason).toBe("stalled")
      expect(swarm?.broken?.message).toBe("no piece arrived for 10 s (0 of 0 pieces, 0 neighbours)")
      expect(Exit.isFailure(yield* Fiber.join(pulling))).toBe(true)
      yield* Effect.forkChild(downloads.pull("demo", digest))
      yield* settle
      const again = script.swarms[1]
      for (const piece of [0, 1, 2]) {
        again?.have.set(piece)
        again?.stored(piece)
      }
      yield* TestClock.adjust("1 minute")
      expect(again?.broken).toBeUndefined()
    })
  )
})

describe("a download on a disk with a budget", () => {
  it.effect("holds the blob, stores its metainfo and waits for room before it starts", () =>
    Effect.gen(function* () {
      const steps: string[] = []
      const { downloads, log } = yield* scene({
        hold: () =>
          Effect.acquireRelease(
            Effect.sync(() => steps.push("hold")),
            () => Effect.sync(() => steps.push("release"))
          ),
        admit: (_, length, more) => Effect.sync(() => void steps.push(`admit ${length} ${more}`))
      })
      const pulling = yield* Effect.forkChild(downloads.pull("demo", digest))
      yield* settle
      expect(steps).toEqual(["hold", "admit 10 10"])
      expect(log.slice(0, 2)).toEqual(["ask demo", "put metainfo"])
      yield* Fiber.interrupt(pulling)
      yield* downloads.prepare("demo", digest, selection)
      expect(steps.slice(2)).toEqual(["release", "hold", "admit 10 8", "release"])
    })
  )

  it.effect("fails with the reason if there is no room, and is not started", () =>
    Effect.gen(function* () {
      const spent = new DiskBudgetSpent({ message: "no room for it" })
      const { downloads, log } = yield* scene({ admit: () => Effect.fail(spent) })
      for (const pulled of [
        downloads.pull("demo", digest),
        downloads.prepare("demo", digest, selection),
        Stream.runDrain(downloads.read("demo", digest, selection))
      ]) {
        expect(yield* Effect.flip(pulled)).toMatchObject({ reason: "full", message: "no room for it" })
      }
      expect(log.filter((line) => line.startsWith("open"))).toEqual([])
    })
  )

  it.effect("asks for no room on a disk without a budget", () =>
    Effect.gen(function* () {
      const { downloads, log } = yield* scene()
      yield* downloads.prepare("demo", digest, selection)
      expect(log).toEqual([])
    })
  )
})
