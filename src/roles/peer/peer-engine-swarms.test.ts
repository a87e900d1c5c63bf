// Tests of the swarms of a peer engine, over a scripted store and a transport without peers: how they open, break,
// complete and close, and when a blob may be removed.

import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Option, Scope } from "effect"
import { TestClock } from "effect/testing"
import { clockTimers } from "../../../testing/roles/clock-timers.ts"
import { settle } from "../../../testing/roles/settle.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { Bitfield } from "../../protocol/kit/bitfield.ts"
import { seconds } from "../../protocol/kit/time.ts"
import type { PeerHostInput } from "../../protocol/swarm/peer-host-io.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { Torrent } from "../../protocol/wire/metainfo.ts"
import type { PeerId } from "../../protocol/wire/peer-id.ts"
import { unlimited } from "../config/process-keys.ts"
import { type BlobStore, BlobStoreError, DigestMismatch, type PieceFile } from "../services/blob-store.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { PeerTransport } from "../services/peer-transport.ts"
import { Timers } from "../services/timers.ts"
import { PeerLimits } from "./limits.ts"
import { SwarmBroken } from "./open-swarm.ts"
import { makePeerEngine, type PeerEngine } from "./peer-engine.ts"
import type { DriverDuties } from "./peer-host-driver.ts"

const digest = `sha256:${"1".repeat(64)}` as Digest
const swarm = "1".repeat(64) as SwarmId
const torrent: Torrent = {
  swarm,
  metainfo: { digest, length: 10, pieceLength: 4, root: new Uint8Array(32) }
}
const ioError = new BlobStoreError({ reason: "io", message: "no disk" })

/** What the store of a scene does; a test changes it. */
interface Store {
  whole: boolean
  opening: Effect.Effect<void, BlobStoreError>
  completing: Effect.Effect<void, DigestMismatch | BlobStoreError>
  found: Effect.Effect<Option.Option<Torrent>, BlobStoreError>
  openFiles: number
}

/** An engine over a scripted store, with the inputs of its machine after the start. */
const scene = (initial: Partial<Store> = {}) =>
  Effect.gen(function* () {
    const store: Store = {
      whole: false,
      opening: Effect.void,
      completing: Effect.void,
      found: Effect.succeed(Option.some(torrent)),
      openFiles: 0,
      ...initial
    }
    const have = store.whole ? Bitfield.full(3) : new Bitfield(3)
    const blobs = {
      putMetainfo: () => Effect.succeed(torrent),
      findSwarm: () => store.found,
      stat: () => Effect.sync(() => (store.whole ? Option.some({ digest, length: 10 }) : Option.none())),
      openPieces: () =>
        Effect.acquireRelease(
          Effect.map(store.opening, () => {
            store.openFiles++
            return {
              ...torrent,
              have: () => have,
              recorded: () => new Bitfield(3),
              load: (_: number, done: (outcome: object) => void) => done({ tag: "Failed", error: ioError }),
              complete: Effect.suspend(() => store.completing)
            } as unknown as PieceFile
          }),
          () => Effect.sync(() => store.openFiles--)
        )
    } as Partial<BlobStore> as BlobStore
    const metrics = makeRoleMetrics("agent")
    const engine = yield* makePeerEngine({
      blobs,
      kind: "agent",
      peerId: "a".repeat(40) as PeerId,
      peer: { host: "a", port: 1 },
      rates: unlimited,
      metrics,
      seedArc: ({ length }) => ({ first: length, count: 1 }) as never
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
    const tags = () => inputs.map(({ tag }) => tag)
    return {
      engine,
      duties: engine as unknown as DriverDuties,
      store,
      have,
      inputs,
      tags,
      metrics: metrics.text
    }
  }).pipe((effect) =>
    withLimits(effect, PeerLimits, { idleSwarmTimeout: seconds(1000), servedLately: seconds(1) })
  )

const open = (engine: PeerEngine, onDemand = false) => engine.open(torrent.metainfo, { onDemand })
const isOpen = (engine: PeerEngine) => engine.machine.swarmStatus(swarm) !== undefined

describe("a swarm of a peer engine", () => {
  it.effect("is opened once for all who want it, and not interrupted with the first", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { engine, store, inputs } = yield* scene({ opening: Deferred.await(gate) })
      const first = yield* Effect.forkChild(Effect.scoped(open(engine)))
      const second = yield* Effect.forkChild(open(engine))
      yield* settle
      yield* Fiber.interrupt(first)
      yield* Deferred.succeed(gate, undefined)
      const opened = yield* Fiber.join(second)
      expect(yield* open(engine)).toBe(opened)
      expect(store.openFiles).toBe(1)
      expect(inputs).toHaveLength(1)
      expect(inputs[0]).toMatchObject({
        tag: "SwarmOpened",
        swarm,
        onDemand: false,
        seedArc: { first: 10, count: 1 }
      })
      expect(opened.metainfo).toBe(torrent.metainfo)
    })
  )

  it.effect("fails to open with the store, and may be opened again", () =>
    Effect.gen(function* () {
      const { engine, store, tags } = yield* scene({ opening: Effect.fail(ioError) })
      expect(yield* Effect.flip(Effect.scoped(open(engine)))).toBe(ioError)
      expect(tags()).toEqual([])
      store.opening = Effect.void
      yield* open(engine)
      expect(isOpen(engine)).toBe(true)
    })
  )

  it.effect("that is unfinished is broken when its last owner leaves", () =>
    Effect.gen(function* () {
      const { engine, store } = yield* scene()
      const [first, second] = [yield* Scope.make(), yield* Scope.make()]
      const opened = yield* Scope.provide(open(engine), first)
      yield* Scope.provide(open(engine), second)
      yield* Scope.close(first, Exit.void)
      expect(isOpen(engine)).toBe(true)
      yield* Scope.close(second, Exit.void)
      yield* settle
      expect(isOpen(engine)).toBe(false)
      expect(store.openFiles).toBe(0)
      expect((yield* Effect.flip(opened.completed)).reason).toBe("closed")
    })
  )

  it.effect("that is whole stays open without owners, and is completed once", () =>
    Effect.gen(function* () {
      let checks = 0
      const { engine, duties } = yield* scene({ whole: true, completing: Effect.sync(() => void checks++) })
      const opened = yield* Effect.scoped(open(engine))
      yield* settle
      yield* opened.completed
      duties.completed(swarm)
      yield* settle
      expect(checks).toBe(1)
      expect(isOpen(engine)).toBe(true)
    })
  )

  it.effect("is broken by a wrong digest, a failed check or a failed store, with the reason", () =>
    Effect.gen(function* () {
      const mismatch = new DigestMismatch({ expected: digest, actual: `sha256:${"2".repeat(64)}` as Digest })
      const reasons: string[] = []
      for (const completing of [Effect.fail(mismatch), Effect.fail(ioError)]) {
        const { engine } = yield* scene({ whole: true, completing })
        const { reason, message } = yield* Effect.flip((yield* open(engine)).completed)
        reasons.push(`${reason}: ${message}`)
        expect(isOpen(engine)).toBe(false)
      }
      const { engine, duties } = yield* scene()
      const opened = yield* open(engine)
      duties.failed(swarm, "no room")
      const { reason, message } = yield* Effect.flip(opened.completed)
      reasons.push(`${reason}: ${message}`)
      expect(reasons[0]).toMatch(/^content: .*the whole is sha256:2+, not sha256:1+/)
      expect(reasons.slice(1)).toEqual(["storage: no disk", "storage: no room"])
      opened.breakWith(new SwarmBroken({ reason: "stalled", message: "again" }))
      expect((yield* Effect.flip(opened.completed)).reason).toBe("storage")
    })
  )

  it.effect("fails for its clients when the host stops", () =>
    Effect.gen(function* () {
      const life = yield* Scope.make()
      const { engine, store, tags } = yield* Scope.provide(scene(), life)
      const opened = yield* open(engine)
      yield* Scope.close(life, Exit.void)
      expect((yield* Effect.flip(opened.completed)).reason).toBe("closed")
      expect(store.openFiles).toBe(0)
      expect(tags().at(-1)).toBe("Stopping")
    })
  )
})

describe("a swarm that a peer asks for", () => {
  it.effect("is opened if the blob is whole, and unknown otherwise", () =>
    Effect.gen(function* () {
      const failing = Effect.fail(ioError)
      const answers: string[] = []
      for (const initial of [
        { whole: true },
        { whole: false },
        { whole: true, found: Effect.succeed(Option.none()) },
        { whole: true, found: failing },
        { whole: true, opening: failing }
      ]) {
        const { duties, tags } = yield* scene(initial)
        duties.asked(swarm)
        yield* settle
        answers.push(tags().join())
      }
      expect(answers).toEqual(["SwarmOpened", "SwarmUnknown", "SwarmUnknown", "SwarmUnknown", "SwarmUnknown"])
    })
  )

  it.effect("is unknown while its blob is being removed, also when another removal begins meanwhile", () =>
    Effect.gen(function* () {
      const { engine, duties, tags } = yield* scene({ whole: true })
      const gate = yield* Deferred.make<void>()
      const retiring = yield* Effect.forkChild(engine.retire(swarm, Deferred.await(gate)))
      yield* settle
      yield* Effect.forkChild(engine.retire("2".repeat(64) as SwarmId, Effect.never))
      yield* settle
      duties.asked(swarm)
      yield* settle
      expect(tags()).toEqual(["SwarmUnknown"])
      yield* Deferred.succeed(gate, undefined)
      expect(yield* Fiber.join(retiring)).toBe(true)
      duties.asked(swarm)
      yield* settle
      expect(tags()).toEqual(["SwarmUnknown", "SwarmOpened"])
    })
  )
})

describe("a blob", () => {
  const removal = () => {
    const made = { removed: 0, run: Effect.sync(() => void made.removed++) }
    return made
  }

  it.effect("may be removed when its swarm is not open, or idle", () =>
    Effect.gen(function* () {
      const { engine, tags } = yield* scene({ whole: true })
      const { run } = removal()
      expect(yield* engine.retire(swarm, run)).toBe(true)
      yield* Effect.scoped(open(engine))
      yield* settle
      expect(yield* engine.retire(swarm, run)).toBe(true)
      expect(tags()).toEqual(["SwarmOpened", "SwarmClosed"])
      expect(isOpen(engine)).toBe(false)
    })
  )

  it.effect("stays while its swarm has an owner or is being checked, opened or asked for", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const waiting = Deferred.await(gate)
      const made = removal()
      const owned = yield* scene({ whole: true })
      yield* open(owned.engine)
      yield* settle
      const checked = yield* scene({ whole: true, completing: waiting })
      yield* Effect.scoped(open(checked.engine))
      const opening = yield* scene({ whole: true, opening: waiting })
      yield* Effect.forkChild(open(opening.engine))
      const asked = yield* scene({ whole: true, found: Effect.as(waiting, Option.some(torrent)) })
      asked.duties.asked(swarm)
      yield* settle
      for (const { engine } of [owned, checked, opening, asked]) {
        expect(yield* engine.retire(swarm, made.run)).toBe(false)
      }
      expect(made.removed).toBe(0)
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      for (const { engine } of [checked, asked]) expect(yield* engine.retire(swarm, made.run)).toBe(true)
    })
  )

  it.effect("stays while it is being sent, and for a second after a neighbour loaded a piece", () =>
    Effect.gen(function* () {
      const { engine } = yield* scene({ whole: true })
      const { run } = removal()
      const { machine } = engine
      const opened = yield* Effect.scoped(open(engine))
      yield* settle
      machine.isServing = () => true
      expect(yield* engine.retire(swarm, run)).toBe(false)
      machine.isServing = () => false
      const status = machine.swarmStatus(swarm)
      machine.swarmStatus = () => ({ ...status!, neighbours: 1 })
      yield* TestClock.adjust("10 seconds")
      opened.load(0, () => {})
      yield* TestClock.adjust("999 millis")
      expect(yield* engine.retire(swarm, run)).toBe(false)
      yield* TestClock.adjust("1 millis")
      expect(yield* engine.retire(swarm, run)).toBe(true)
    })
  )

  it.effect("of a swarm without neighbours may be removed just after a piece was loaded", () =>
    Effect.gen(function* () {
      const { engine } = yield* scene({ whole: true })
      const opened = yield* Effect.scoped(open(engine))
      yield* settle
      opened.load(0, () => {})
      expect(yield* engine.retire(swarm, removal().run)).toBe(true)
    })
  )
})

describe("the metrics of a peer engine", () => {
  it.effect("count invalid handshakes, under the new name and that of version 0.1", () =>
    Effect.gen(function* () {
      const { duties, metrics } = yield* scene()
      duties.invalidHandshake()
      duties.invalidHandshake()
      for (const name of ["shoal_peer_invalid_handshakes_total", "shoal_peer_strangers_total"]) {
        expect(metrics()).toMatch(new RegExp(`^${name}\\{[^}]*\\} 2$`, "m"))
      }
    })
  )
})
