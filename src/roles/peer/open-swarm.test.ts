// Tests of an open swarm as the control plane sees it: waiters of pieces, the demand that the machine is told, and the
// time of the last progress.

import { Deferred, Effect, Exit, Scope } from "effect"
import { describe, expect, it } from "vitest"
import { Bitfield } from "../../protocol/kit/bitfield.ts"
import type { PeerHostInput, SwarmStatus } from "../../protocol/swarm/peer-host-io.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { PieceFile } from "../services/blob-store.ts"
import { SwarmBroken, SwarmEntry } from "./open-swarm.ts"

const swarm = "1".repeat(64) as SwarmId
const why = new SwarmBroken({ reason: "stalled", message: "no piece" })

/** A swarm of three pieces, none of them stored, opened at time 100. */
const scene = (onDemand: boolean) => {
  const have = new Bitfield(3)
  const fed: PeerHostInput[] = []
  const broken: Array<readonly [SwarmId, SwarmBroken]> = []
  const clock = { now: 100 }
  const status = { have: 1 } as SwarmStatus
  const file = {
    swarm,
    metainfo: { digest: `sha256:${"1".repeat(64)}` as Digest, length: 3, pieceLength: 1 },
    have: () => have,
    load: (piece: number, done: (outcome: unknown) => void) => done({ tag: "Loaded", payload: piece })
  } as unknown as PieceFile
  const entry = new SwarmEntry(
    file,
    Effect.runSync(Scope.make()),
    { now: () => clock.now, wakeAt: () => () => {} },
    {
      feed: (input) => fed.push(input),
      status: (asked) => (asked === swarm ? status : undefined),
      breakSwarm: (asked, reason) => broken.push([asked, reason])
    },
    onDemand
  )
  const store = (piece: number) => {
    have.set(piece)
    entry.stored(piece)
  }
  /** The pieces that waiters heard of, in order. */
  const heard: string[] = []
  const wait = (piece: number, name = "") =>
    entry.whenStored(
      piece,
      () => heard.push(`${piece}${name}`),
      ({ reason }) => heard.push(`${piece}${name} ${reason}`)
    )
  return { entry, fed, broken, clock, status, have, store, wait, heard }
}

describe("a waiter of a piece", () => {
  it("is called once, at once for a stored piece and otherwise when it is stored", () => {
    const { store, wait, heard } = scene(true)
    store(0)
    wait(0)
    expect(heard).toEqual(["0"])
    wait(1, "a")
    wait(1, "b")
    wait(2)
    expect(heard).toEqual(["0"])
    store(1)
    expect(heard).toEqual(["0", "1a", "1b"])
    store(2)
    expect(heard).toEqual(["0", "1a", "1b", "2"])
  })

  it("is not called after it cancelled, unlike another waiter of the piece", () => {
    const { store, wait, heard } = scene(true)
    const cancel = wait(1, "a")
    wait(1, "b")
    wait(2, "c")()
    cancel()
    cancel()
    store(1)
    store(2)
    cancel()
    expect(heard).toEqual(["1b"])
  })

  it("hears of a broken swarm, at once if it is broken already, but not after it cancelled", () => {
    const { entry, store, wait, heard } = scene(true)
    wait(1)
    wait(2)()
    store(0)
    entry.markBroken(why)
    expect(heard).toEqual(["1 stalled"])
    wait(0)
    wait(2)
    expect(heard).toEqual(["1 stalled", "0 stalled", "2 stalled"])
    store(1)
    expect(heard).toHaveLength(3)
    expect(Exit.isFailure(Effect.runSync(Effect.exit(Deferred.await(entry.done))))).toBe(true)
  })

  it("may wait for another piece when it is called", () => {
    const { entry, store, heard } = scene(true)
    entry.whenStored(
      0,
      () =>
        entry.whenStored(
          1,
          () => heard.push("1"),
          () => {}
        ),
      () => {}
    )
    store(0)
    store(1)
    expect(heard).toEqual(["1"])
  })
})

describe("the demand of a swarm", () => {
  const changes = (fed: ReadonlyArray<PeerHostInput>) =>
    fed.flatMap((input) => (input.tag === "DemandChanged" ? [input.whole] : []))

  it("is whole while a client wants the whole blob", () => {
    const { entry, fed } = scene(true)
    const first = entry.wantWhole()
    const second = entry.wantWhole()
    expect(fed).toEqual([{ tag: "DemandChanged", swarm, whole: true }])
    first()
    first()
    expect(changes(fed)).toEqual([true])
    second()
    expect(changes(fed)).toEqual([true, false])
    entry.wantWhole()
    expect(changes(fed)).toEqual([true, false, true])
  })

  it("is not told again if the machine was opened for the whole blob", () => {
    const { entry, fed } = scene(false)
    const withdraw = entry.wantWhole()
    expect(fed).toEqual([])
    withdraw()
    expect(changes(fed)).toEqual([false])
  })

  it("ends with the last piece", () => {
    const { entry, fed, store } = scene(true)
    const withdraw = entry.wantWhole()
    for (const piece of [0, 1, 2]) store(piece)
    withdraw()
    expect(changes(fed)).toEqual([true])
  })

  it("is that of readers, which move and leave", () => {
    const { entry, fed } = scene(true)
    entry.readAhead(7, { first: 1, end: 3 })
    entry.readAhead(7, undefined)
    expect(fed).toEqual([
      { tag: "ReaderMoved", swarm, reader: 7, firstPiece: 1, endPiece: 3 },
      { tag: "ReaderLeft", swarm, reader: 7 }
    ])
  })

  it("is no longer whole when a reader comes after the client that opened the swarm has left", () => {
    const { entry, fed } = scene(false)
    entry.readAhead(7, { first: 0, end: 1 })
    expect(fed.map(({ tag }) => tag)).toEqual(["DemandChanged", "ReaderMoved"])
    expect(changes(fed)).toEqual([false])
  })
})

describe("the last progress of a swarm", () => {
  it("is when it opened or last stored a piece, while the whole blob is wanted", () => {
    const { entry, clock, store } = scene(false)
    clock.now = 200
    expect(entry.lastProgress()).toBe(100)
    store(0)
    clock.now = 300
    expect(entry.lastProgress()).toBe(200)
  })

  it("is now while no reader waits, and when the first one began to wait", () => {
    const { entry, clock, store, wait } = scene(true)
    clock.now = 200
    expect(entry.lastProgress()).toBe(200)
    const first = wait(0)
    clock.now = 300
    const second = wait(1)
    expect(entry.lastProgress()).toBe(200)
    first()
    first()
    expect(entry.lastProgress()).toBe(200)
    second()
    clock.now = 400
    expect(entry.lastProgress()).toBe(400)
    wait(2)
    clock.now = 500
    store(2)
    clock.now = 600
    expect(entry.lastProgress()).toBe(600)
  })

  it("is when the whole blob began to be wanted, or when a reader began to wait before that", () => {
    const idle = scene(true)
    idle.clock.now = 200
    idle.entry.wantWhole()
    idle.clock.now = 300
    expect(idle.entry.lastProgress()).toBe(200)
    const waiting = scene(true)
    waiting.clock.now = 200
    waiting.wait(0)
    waiting.clock.now = 300
    waiting.entry.wantWhole()
    expect(waiting.entry.lastProgress()).toBe(200)
  })

  it("is now again after the last waiter was called", () => {
    const { entry, clock, store, wait } = scene(true)
    wait(0, "a")
    wait(0, "b")
    wait(1)
    clock.now = 200
    store(0)
    clock.now = 300
    expect(entry.lastProgress()).toBe(200)
    store(1)
    clock.now = 400
    expect(entry.lastProgress()).toBe(400)
  })
})

describe("an open swarm", () => {
  it("is used when it loads and when it stores a piece", () => {
    const { entry, clock, store } = scene(true)
    expect(entry.lastUse).toBe(100)
    clock.now = 200
    const loaded: unknown[] = []
    entry.load(2, (outcome) => loaded.push(outcome))
    expect(loaded).toEqual([{ tag: "Loaded", payload: 2 }])
    expect(entry.lastUse).toBe(200)
    clock.now = 300
    store(0)
    expect(entry.lastUse).toBe(300)
  })

  it("asks the engine for its status, and to break it", () => {
    const { entry, status, broken } = scene(true)
    expect(entry.status()).toBe(status)
    entry.breakWith(why)
    expect(broken).toEqual([[swarm, why]])
    expect(entry.metainfo.length).toBe(3)
    expect(entry.swarm).toBe(swarm)
  })
})
