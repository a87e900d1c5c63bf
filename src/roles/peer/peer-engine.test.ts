// Tests of the peer engine over a transport without peers, on a test clock: what remains after its host stopped, and
// how long it keeps an idle swarm.

import { describe, expect, it } from "@effect/vitest"
import { Effect, Option, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { clockTimers } from "../../../testing/roles/clock-timers.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { Bitfield } from "../../protocol/kit/bitfield.ts"
import { seconds } from "../../protocol/kit/time.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { Torrent } from "../../protocol/wire/metainfo.ts"
import type { PeerId } from "../../protocol/wire/peer-id.ts"
import { unlimited } from "../config/process-keys.ts"
import type { BlobStore, PieceFile } from "../services/blob-store.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { PeerTransport } from "../services/peer-transport.ts"
import { Timers } from "../services/timers.ts"
import { PeerLimits } from "./limits.ts"
import { makePeerEngine } from "./peer-engine.ts"

const unconnected: PeerTransport["Service"] = {
  listen: () => Effect.succeed({ address: "a:1", dial: () => {}, send: () => {}, disconnect: () => {} })
}

const torrent: Torrent = {
  swarm: "1".repeat(64) as SwarmId,
  metainfo: {
    digest: `sha256:${"1".repeat(64)}` as Digest,
    length: 10,
    pieceLength: 4,
    root: new Uint8Array(32)
  }
}

/** An engine over a store that has the torrent's blob whole; `files.open` counts the piece files that it holds. */
const stage = (limits: Partial<PeerLimits>) =>
  Effect.gen(function* () {
    const timers = yield* clockTimers
    const files = { open: 0 }
    const have = Bitfield.full(3)
    const file = {
      ...torrent,
      have: () => have,
      recorded: () => new Bitfield(0),
      complete: Effect.void
    } as Partial<PieceFile> as PieceFile
    const blobs = {
      putMetainfo: () => Effect.succeed(torrent),
      findSwarm: () => Effect.succeed(Option.some(torrent)),
      openPieces: () =>
        Effect.acquireRelease(
          Effect.sync(() => {
            files.open++
            return file
          }),
          () => Effect.sync(() => files.open--)
        )
    } as Partial<BlobStore> as BlobStore
    const engine = makePeerEngine({
      blobs,
      kind: "agent",
      peerId: "a".repeat(40) as PeerId,
      peer: { host: "a", port: 1 },
      rates: unlimited,
      metrics: makeRoleMetrics("agent")
    }).pipe(Effect.provideService(PeerTransport, unconnected), Effect.provideService(Timers, timers))
    return { engine: withLimits(engine, PeerLimits, limits), timers, files }
  })

const use = <E>(open: Effect.Effect<unknown, E, Scope.Scope>) => Effect.scoped(Effect.asVoid(open))

describe("peer engine", () => {
  it.effect("looks for idle swarms periodically, and leaves no timer after its host stopped", () =>
    Effect.gen(function* () {
      const { engine, timers } = yield* stage({ idleSwarmTimeout: seconds(8) })
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* engine
          const first = [...timers.armed]
          expect(first).toHaveLength(1)
          yield* TestClock.adjust("8 seconds")
          expect(timers.armed.size).toBe(1)
          expect(timers.armed.has(first[0]!)).toBe(false)
        })
      )
      expect(timers.armed.size).toBe(0)
    })
  )

  it.effect("closes a whole swarm that nobody has used for idleSwarmTimeout, and only such a swarm", () =>
    Effect.gen(function* () {
      const { engine, files } = yield* stage({ idleSwarmTimeout: seconds(8) })
      const { machine, open } = yield* Effect.map(engine, (made) => ({
        machine: made.machine,
        open: made.open(torrent.metainfo, { onDemand: false })
      }))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* open
          yield* TestClock.adjust("1 hour")
          expect(machine.swarmStatus(torrent.swarm)).toBeDefined()
        })
      )
      yield* TestClock.adjust("7 seconds")
      expect(machine.swarmStatus(torrent.swarm)).toBeDefined()
      yield* use(open)
      yield* TestClock.adjust("7 seconds")
      expect(machine.swarmStatus(torrent.swarm), "it was used in between").toBeDefined()
      expect(files.open).toBe(1)
      yield* TestClock.adjust("3 seconds")
      expect(machine.swarmStatus(torrent.swarm)).toBeUndefined()
      expect(files.open).toBe(0)
      yield* use(open)
      expect(machine.swarmStatus(torrent.swarm), "it is opened again when it is wanted").toBeDefined()
    })
  )
})
