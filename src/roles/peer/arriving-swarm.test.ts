// Tests of the swarm of a blob that a host receives, over a scripted store and a transport without peers.

import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { clockTimers } from "../../../testing/roles/clock-timers.ts"
import { settle } from "../../../testing/roles/settle.ts"
import { Bitfield } from "../../protocol/kit/bitfield.ts"
import type { PeerHostInput } from "../../protocol/swarm/peer-host-io.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { PiecedBlob, SwarmInfo } from "../../protocol/wire/metainfo.ts"
import type { PeerId } from "../../protocol/wire/peer-id.ts"
import { unlimited } from "../config/process-keys.ts"
import {
  type ArrivingFile,
  type BlobStore,
  BlobStoreError,
  type StoreOutcome
} from "../services/blob-store.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { PeerTransport } from "../services/peer-transport.ts"
import { Timers } from "../services/timers.ts"
import { makePeerEngine, type PeerEngine } from "./peer-engine.ts"

const digest = `sha256:${"1".repeat(64)}` as Digest
const swarm = "1".repeat(64) as SwarmId
const ioError = new BlobStoreError({ reason: "io", message: "no disk" })

/** An engine over a store that answers every put with `putting`, with the inputs of its machine. */
const scene = ({ putting = { tag: "Stored" } as StoreOutcome } = {}) =>
  Effect.gen(function* () {
    const store = { puts: [] as number[], openFiles: 0 }
    const blobs = {
      putMetainfo: (metainfo: SwarmInfo) => Effect.succeed({ swarm, metainfo }),
      openArrival: (blob: PiecedBlob) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            store.openFiles++
            return {
              swarm,
              metainfo: { ...blob, key: new Uint8Array(32) },
              have: () => new Bitfield(3),
              recorded: () => new Bitfield(3),
              put: (piece: number, _: Uint8Array, done: (outcome: StoreOutcome) => void) => {
                store.puts.push(piece)
                done(putting)
              },
              complete: Effect.void
            } as unknown as ArrivingFile
          }),
          () => Effect.sync(() => store.openFiles--)
        )
    } as Partial<BlobStore> as BlobStore
    const engine = yield* makePeerEngine({
      blobs,
      kind: "origin",
      peerId: "a".repeat(40) as PeerId,
      peer: { host: "a", port: 1 },
      rates: unlimited,
      metrics: makeRoleMetrics("origin")
    }).pipe(
      Effect.provideService(PeerTransport, {
        listen: () => Effect.succeed({ address: "a:1", dial: () => {}, send: () => {}, disconnect: () => {} })
      }),
      Effect.provideServiceEffect(Timers, clockTimers)
    )
    const inputs: PeerHostInput[] = []
    const { machine } = engine
    const handle = machine.handle.bind(machine)
    machine.handle = (input, now) => {
      inputs.push(input)
      return handle(input, now)
    }
    return { engine, store, inputs, tags: () => inputs.map(({ tag }) => tag) }
  })

const isOpen = (engine: PeerEngine) => engine.machine.swarmStatus(swarm) !== undefined

describe("a blob that the host receives", () => {
  const blob: PiecedBlob = { digest, length: 10, pieceLength: 4 }

  it.effect("is served piece by piece, in order, and complete with the last one", () =>
    Effect.gen(function* () {
      const { engine, store, inputs, tags } = yield* scene()
      const life = yield* Scope.make()
      const arriving = yield* Scope.provide(engine.openArrival(blob), life)
      expect(inputs[0]).toMatchObject({
        tag: "SwarmOpened",
        metainfo: { key: arriving.arrival.key },
        onDemand: true,
        seedArc: { firstPiece: 0, endPiece: 3 }
      })
      const ready: number[] = []
      const reading = yield* engine.open(arriving.arrival, { onDemand: true })
      reading.whenStored(
        1,
        () => ready.push(store.puts.length),
        () => expect.unreachable()
      )
      for (const piece of [0, 1, 2]) yield* arriving.put(piece, new Uint8Array(4))
      expect(ready).toEqual([2])
      yield* arriving.completed
      expect(store.puts).toEqual([0, 1, 2])
      expect(tags()).toEqual(["SwarmOpened", "PieceArrived", "PieceArrived", "PieceArrived"])
      yield* Scope.close(life, Exit.void)
      // It stays open for those who are not done yet.
      expect([isOpen(engine), store.openFiles]).toEqual([true, 1])
    }).pipe(Effect.scoped)
  )

  it.effect("ends with its scope when it is not complete, and a piece that is not stored is not served", () =>
    Effect.gen(function* () {
      const { engine, store, tags } = yield* scene({ putting: { tag: "Failed", error: ioError } })
      const life = yield* Scope.make()
      const arriving = yield* Scope.provide(engine.openArrival(blob), life)
      expect(yield* Effect.flip(arriving.put(0, new Uint8Array(4)))).toBe(ioError)
      expect(tags()).toEqual(["SwarmOpened"])
      yield* Scope.close(life, Exit.void)
      yield* settle
      expect([isOpen(engine), store.openFiles]).toEqual([false, 0])
      expect(String(yield* Effect.flip(arriving.completed))).toContain("no client waits for it")
    }).pipe(Effect.scoped)
  )
})
