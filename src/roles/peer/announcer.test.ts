// Tests of the announcer over a tracker that records the announces, on a test clock.

import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Option, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { type ClockTimers, clockTimers } from "../../../testing/roles/clock-timers.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { Bitfield } from "../../protocol/kit/bitfield.ts"
import { limits } from "../../protocol/limits.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { Torrent } from "../../protocol/wire/metainfo.ts"
import type { PeerAddress, PeerId } from "../../protocol/wire/peer-id.ts"
import { AskLimits } from "../client/limits.ts"
import { type TrackerClient, TrackerUnavailable } from "../client/tracker-client.ts"
import type { AnnounceBatch } from "../client/tracker-wire.ts"
import type { BlobStore } from "../services/blob-store.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { Timers } from "../services/timers.ts"
import { type Announcer, makeAnnouncer } from "./announcer.ts"
import { peerLimits } from "./limits.ts"
import type { OpenSwarm } from "./open-swarm.ts"
import type { PeerEngine } from "./peer-engine.ts"

const torrent = (digit: string): Torrent => ({
  swarm: digit.repeat(64) as SwarmId,
  metainfo: {
    digest: `sha256:${digit.repeat(64)}` as Digest,
    length: 2,
    pieceLength: 1,
    root: new Uint8Array(32)
  }
})

const peer: PeerAddress = { peerId: "b".repeat(40) as PeerId, address: "b:1", kind: "agent" }

interface Stage {
  readonly announcer: Announcer
  readonly told: AnnounceBatch[]
  readonly offered: Array<readonly [SwarmId, readonly PeerAddress[]]>
  readonly answers: {
    away: boolean
    intervalMs: number
    neighbours: number | undefined
    peers: readonly PeerAddress[]
    /** A swarm that the answers do not name. */
    leftOut: SwarmId | undefined
    delay: Duration.Duration
  }
  readonly armed: ClockTimers["armed"]
  readonly metrics: () => string
}

const stage: Effect.Effect<Stage, never, Scope.Scope> = Effect.gen(function* () {
  const told: AnnounceBatch[] = []
  const offered: Array<readonly [SwarmId, readonly PeerAddress[]]> = []
  const answers: Stage["answers"] = {
    away: false,
    intervalMs: 3_000,
    neighbours: undefined,
    peers: [peer],
    leftOut: undefined,
    delay: Duration.zero
  }
  const metrics = makeRoleMetrics("agent")
  const tracker = {
    announce: (batch: AnnounceBatch) => {
      told.push(batch)
      return answers.away
        ? Effect.fail(new TrackerUnavailable({ message: "away" }))
        : Effect.sync(() =>
            batch.swarms
              .filter(({ swarm }) => swarm !== answers.leftOut)
              .map(({ swarm }) => ({ swarm, intervalMs: answers.intervalMs, peers: answers.peers }))
          ).pipe((answer) => (Duration.isZero(answers.delay) ? answer : Effect.delay(answer, answers.delay)))
    }
  } as Partial<TrackerClient> as TrackerClient
  const engine = {
    peerId: "a".repeat(40) as PeerId,
    address: "a:1",
    offerPeers: (swarm: SwarmId, peers: readonly PeerAddress[]) => offered.push([swarm, peers]),
    machine: {
      swarmStatus: () =>
        answers.neighbours === undefined ? undefined : { neighbours: answers.neighbours, have: 0 }
    }
  } as unknown as PeerEngine
  const timers = yield* clockTimers
  const announcer = yield* makeAnnouncer({ engine, tracker, metrics }).pipe(
    Effect.provideService(Timers, timers)
  )
  return { announcer, told, offered, answers, armed: timers.armed, metrics: metrics.text }
})

const openSwarm = (have: Bitfield): OpenSwarm => ({ have }) as Partial<OpenSwarm> as OpenSwarm

const settle = TestClock.adjust(Duration.millis(1))

const events = (told: readonly AnnounceBatch[]) =>
  told.map(({ swarms }) => swarms.map(({ swarm, event }) => `${swarm[0]} ${event}`).join(", "))

describe("announcer", () => {
  it.effect("announces a blob that has arrived as whole, in place of its arrival", () =>
    Effect.gen(function* () {
      const { announcer, told } = yield* stage
      yield* announcer.join(torrent("1"), "demo", openSwarm(new Bitfield(2)))
      yield* settle
      yield* announcer.gone(torrent("1").swarm)
      yield* announcer.seed(torrent("2"), "demo")
      yield* settle
      expect(events(told)).toEqual(["1 downloading", "1 stopped, 2 complete"])
    }).pipe(Effect.scoped)
  )

  it.effect("announces a download at once, and offers the peers of the tracker's answer", () =>
    Effect.gen(function* () {
      const { announcer, told, offered } = yield* stage
      yield* announcer.join(torrent("1"), "demo", openSwarm(new Bitfield(2)))
      yield* settle
      expect(events(told)).toEqual(["1 downloading"])
      expect(offered).toEqual([[torrent("1").swarm, [peer]]])
    })
  )

  it.effect("announces again within the interval, with everything that is due in one batch", () =>
    Effect.gen(function* () {
      const { announcer, told } = yield* stage
      yield* announcer.join(torrent("1"), "demo", openSwarm(new Bitfield(2)))
      yield* announcer.join(torrent("2"), "demo", openSwarm(new Bitfield(2)))
      yield* settle
      expect(events(told)).toEqual(["1 downloading, 2 downloading"])
      yield* TestClock.adjust(Duration.seconds(1))
      expect(told.flatMap(({ swarms }) => swarms).length).toBe(4)
      yield* TestClock.adjust(Duration.seconds(3.2))
      expect(told.flatMap(({ swarms }) => swarms).length).toBe(6)
    })
  )

  it.effect("splits what is due into announces of at most maxSwarmsPerAnnounce swarms", () =>
    Effect.gen(function* () {
      const { announcer, told } = yield* withLimits(stage, AskLimits, { maxSwarmsPerAnnounce: 2 })
      for (const digit of ["1", "2", "3", "4", "5"]) {
        yield* announcer.join(torrent(digit), "demo", openSwarm(new Bitfield(2)))
      }
      yield* settle
      expect(events(told)).toEqual([
        "1 downloading, 2 downloading",
        "3 downloading, 4 downloading",
        "5 downloading"
      ])
    })
  )

  it.effect("announces at once that a download completed, and that a cancelled one stopped", () =>
    Effect.gen(function* () {
      const { announcer, told } = yield* stage
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* announcer.join(torrent("1"), "demo", openSwarm(new Bitfield(2)))
          yield* announcer.join(torrent("2"), "demo", openSwarm(new Bitfield(2)))
          yield* settle
          yield* announcer.completed(torrent("1").swarm)
          yield* settle
        })
      )
      yield* settle
      expect(events(told)).toEqual(["1 downloading, 2 downloading", "1 complete", "2 stopped"])
    })
  )

  it.effect("counts a tracker that does not answer, and announces again when it does", () =>
    Effect.gen(function* () {
      const { announcer, told, offered, answers, metrics } = yield* stage
      answers.away = true
      yield* announcer.join(torrent("1"), "demo", openSwarm(new Bitfield(2)))
      yield* settle
      expect(offered).toEqual([])
      expect(metrics()).toMatch(/shoal_tracker_failures_total\{[^}]*what="announce"[^}]*\} 1/)
      answers.away = false
      yield* TestClock.adjust(Duration.micros(BigInt(limits.maxAnnounceBackoff)))
      expect(told.length).toBeGreaterThanOrEqual(2)
      expect(offered.length).toBeGreaterThanOrEqual(1)
    })
  )

  it.effect("announces before its interval ends while it has few neighbours", () =>
    Effect.gen(function* () {
      const announcesWith = (neighbours: number) =>
        Effect.scoped(
          Effect.gen(function* () {
            const { announcer, told, answers } = yield* stage
            answers.intervalMs = 30_000
            answers.neighbours = neighbours
            yield* announcer.join(torrent("1"), "demo", openSwarm(new Bitfield(2)))
            yield* TestClock.adjust(Duration.seconds(5))
            return told.length
          })
        )
      expect(yield* announcesWith(peerLimits.fewNeighbours)).toBe(2)
      expect(yield* announcesWith(peerLimits.fewNeighbours - 1)).toBeGreaterThanOrEqual(4)
    })
  )

  it.effect("leaves no timer after its host stopped", () =>
    Effect.gen(function* () {
      const { announcer, armed } = yield* Effect.scoped(
        Effect.gen(function* () {
          const staged = yield* stage
          yield* staged.announcer.join(torrent("1"), "demo", openSwarm(Bitfield.full(2)))
          yield* settle
          expect(staged.armed.size).toBe(1)
          return staged
        })
      )
      expect(armed.size).toBe(0)
      yield* announcer.completed(torrent("1").swarm)
      expect(armed.size).toBe(0)
    })
  )

  it.effect("announces a removed blob as stopped once, and a later download of it as a new one", () =>
    Effect.gen(function* () {
      const { announcer, told } = yield* stage
      yield* announcer.gone(torrent("1").swarm)
      const whole = Bitfield.full(2)
      yield* Effect.scoped(announcer.join(torrent("1"), "demo", openSwarm(whole)))
      yield* settle
      expect(events(told)).toEqual(["1 complete"])
      yield* announcer.gone(torrent("1").swarm)
      yield* announcer.gone(torrent("1").swarm)
      yield* TestClock.adjust(Duration.seconds(200))
      expect(events(told)).toEqual(["1 complete", "1 stopped"])
      yield* announcer.join(torrent("1"), "demo", openSwarm(new Bitfield(2)))
      yield* settle
      expect(events(told).at(-1)).toBe("1 downloading")
    })
  )

  it.effect("tells what the host has of a blob, and how many neighbours it has there", () =>
    Effect.gen(function* () {
      const { announcer, told, answers } = yield* stage
      yield* announcer.join(torrent("1"), "demo", openSwarm(new Bitfield(2)))
      yield* announcer.join(torrent("2"), "other", openSwarm(Bitfield.full(2)))
      yield* settle
      const { metainfo } = torrent("1")
      const common = { swarm: torrent("1").swarm, digest: metainfo.digest, namespace: "demo" }
      expect(told[0]?.peer).toEqual({ peerId: "a".repeat(40), address: "a:1" })
      expect(told[0]?.swarms[0]).toEqual({ ...common, event: "downloading", neighbours: 0, have: 0 })
      expect(told[0]?.swarms[1]).toMatchObject({ namespace: "other", event: "complete", have: 2 })
      answers.neighbours = 3
      yield* announcer.completed(torrent("1").swarm)
      yield* settle
      expect(told[1]?.swarms).toEqual([{ ...common, event: "complete", neighbours: 3, have: 0 }])
    })
  )

  it.effect("announces the whole blobs of a restarted host that have metainfo", () =>
    Effect.gen(function* () {
      const { announcer, told, metrics } = yield* stage
      const digests = ["1", "2", "3"].map((digit) => torrent(digit).metainfo.digest)
      const blobs = {
        list: Effect.succeed(digests.map((digest) => ({ digest, length: 2 }))),
        metainfo: (digest: Digest) =>
          Effect.succeed(digest === digests[1] ? Option.none() : Option.some(torrent(digest.charAt(7))))
      } as Partial<BlobStore> as BlobStore
      yield* announcer.seedAll(blobs)
      yield* settle
      expect(events(told)).toEqual(["1 complete, 3 complete"])
      expect(told[0]?.swarms.map(({ namespace, have }) => [namespace, have])).toEqual([
        ["-", 2],
        ["-", 2]
      ])
      expect(metrics()).toMatch(/^shoal_swarms_announced\{[^}]*\} 2$/m)
    })
  )

  it.effect("makes the metainfo of a blob without any when it is used, once, and announces it then", () =>
    Effect.gen(function* () {
      const { announcer, told } = yield* stage
      const { digest } = torrent("1").metainfo
      let made = 0
      const blobs = {
        list: Effect.succeed([
          { digest, length: 2 },
          { digest: torrent("2").metainfo.digest, length: 2 }
        ]),
        metainfo: () => Effect.succeedNone,
        makeMetainfo: (of: Digest, pieceLength: number) =>
          Effect.sync(() => {
            made++
            expect(pieceLength).toBe(256 * 1024)
            return torrent(of.charAt(7))
          })
      } as Partial<BlobStore> as BlobStore
      yield* announcer.seedAll(blobs)
      yield* settle
      expect([made, events(told)]).toEqual([0, []])
      for (let use = 0; use < 2; use++) yield* announcer.used(digest)
      yield* settle
      expect([made, events(told)]).toEqual([1, ["1 complete"]])
    })
  )

  it.effect("announces a swarm once for all downloads of it, and never one that left before", () =>
    Effect.gen(function* () {
      const { announcer, told, metrics } = yield* stage
      const join = announcer.join(torrent("1"), "demo", openSwarm(new Bitfield(2)))
      yield* Effect.scoped(announcer.join(torrent("2"), "demo", openSwarm(new Bitfield(2))))
      yield* Effect.scoped(Effect.andThen(join, join))
      yield* settle
      expect(told).toEqual([])
      expect(metrics()).toMatch(/^shoal_swarms_announced\{[^}]*\} 0$/m)
      yield* join
      yield* join
      yield* settle
      expect(events(told)).toEqual(["1 downloading"])
      expect(metrics()).toMatch(/^shoal_swarms_announced\{[^}]*\} 1$/m)
    })
  )

  it.effect("forgets a swarm once its end was announced, unless it was joined again meanwhile", () =>
    Effect.gen(function* () {
      const { announcer, told, answers, metrics } = yield* stage
      const join = announcer.join(torrent("1"), "demo", openSwarm(new Bitfield(2)))
      yield* Effect.scoped(Effect.andThen(join, settle))
      yield* settle
      expect(events(told)).toEqual(["1 downloading", "1 stopped"])
      expect(metrics()).toMatch(/^shoal_swarms_announced\{[^}]*\} 0$/m)
      yield* Effect.scoped(Effect.andThen(join, settle))
      answers.delay = Duration.seconds(1)
      yield* settle
      expect(events(told).slice(2)).toEqual(["1 downloading", "1 stopped"])
      yield* join
      yield* TestClock.adjust(Duration.seconds(2))
      expect(metrics()).toMatch(/^shoal_swarms_announced\{[^}]*\} 1$/m)
      expect(events(told).at(-1)).toBe("1 downloading")
    })
  )

  it.effect("announces a swarm again that the answer leaves out, and offers no empty hand-out", () =>
    Effect.gen(function* () {
      const { announcer, told, offered, answers } = yield* stage
      answers.peers = []
      yield* announcer.join(torrent("1"), "demo", openSwarm(new Bitfield(2)))
      yield* settle
      expect(offered).toEqual([])
      answers.leftOut = torrent("2").swarm
      yield* announcer.join(torrent("2"), "demo", openSwarm(new Bitfield(2)))
      yield* settle
      expect(events(told)).toEqual(["1 downloading", "2 downloading"])
      answers.intervalMs = 60_000
      yield* TestClock.adjust(Duration.micros(BigInt(limits.maxAnnounceBackoff)))
      const announced = told.flatMap(({ swarms }) => swarms).filter(({ swarm }) => swarm === answers.leftOut)
      expect(announced.length).toBeGreaterThanOrEqual(2)
    })
  )
})
