// Tests of the driver of a peer machine, over a scripted machine, endpoint and piece file: the order of inputs and
// outputs, wake-ups, and what becomes of pieces.

import { describe, expect, it } from "vitest"
import type { PeerHost } from "../../protocol/peer/peer-host.ts"
import type { PeerHostInput, PeerHostOutput } from "../../protocol/swarm/peer-host-io.ts"
import type { Message, SwarmId } from "../../protocol/wire/message.ts"
import type { LoadOutcome, StoreOutcome } from "../services/blob-store.ts"
import { BlobStoreError } from "../services/blob-store.ts"
import type { PeerEndpoint } from "../services/peer-transport.ts"
import type { SwarmEntry } from "./open-swarm.ts"
import { PeerHostDriver } from "./peer-host-driver.ts"

const swarm = "1".repeat(64) as SwarmId
const message = { tag: "KeepAlive" } as unknown as Message
const failure = new BlobStoreError({ reason: "io", message: "no disk" })

/** A driver whose machine answers an input with the outputs of `script`, and everything that happens, in order. */
const scene = (begun = true) => {
  const log: string[] = []
  const script = new Map<string, ReadonlyArray<PeerHostOutput>>()
  const clock = { now: 1000, wakes: [] as Array<{ readonly at: number; readonly wake: () => void }> }
  const machine = {
    nextWakeAt: undefined as number | undefined,
    handle: (input: PeerHostInput, now: number) => {
      const { tag, ...rest } = input
      log.push([now, tag, ...Object.values(rest)].join(" "))
      return script.get(tag) ?? []
    },
    nextWake: () => machine.nextWakeAt
  }
  const act = { onSend: () => {} }
  const endpoint: PeerEndpoint = {
    address: "a:1",
    dial: (connection, address) => log.push(`dial ${connection} ${address}`),
    send: (connection, { tag }, of) => {
      log.push(`send ${connection} ${tag}${of === undefined ? "" : " of swarm"}`)
      act.onSend()
    },
    disconnect: (connection, reason) => log.push(`disconnect ${connection} ${reason}`)
  }
  const timers = {
    now: () => clock.now,
    wakeAt: (at: number, wake: () => void) => {
      const timer = { at, wake }
      clock.wakes.push(timer)
      return () => void clock.wakes.splice(clock.wakes.indexOf(timer), 1)
    }
  }
  const driver = new PeerHostDriver(timers, {
    asked: () => log.push("asked"),
    completed: () => log.push("completed"),
    failed: (_, reason) => log.push(`failed ${reason}`),
    banned: ({ reason }) => log.push(`banned ${reason}`),
    invalidHandshake: () => log.push("invalid handshake")
  })
  const begin = () => driver.begin(machine as unknown as PeerHost, endpoint)
  if (begun) begin()
  return { driver, log, script, machine, clock, act, begin }
}

/** An open swarm whose file answers as the test says. */
const opened = ({ driver, log }: ReturnType<typeof scene>) => {
  const answers: { isThere: boolean; load: LoadOutcome; store: StoreOutcome } = {
    isThere: true,
    load: { tag: "Failed", error: failure },
    store: { tag: "Stored" }
  }
  /** Results of stores and checks, which never come before the call returns. */
  const callbacks: Array<() => void> = []
  const entry = {
    lastUse: 0,
    file: {
      load: (_: number, done: (outcome: LoadOutcome) => void) => done(answers.load),
      check: (_: number, done: (isThere: boolean) => void) => {
        const { isThere } = answers
        callbacks.push(() => done(isThere))
      },
      store: (_: number, __: unknown, ___: unknown, done: (outcome: StoreOutcome) => void) => {
        const { store } = answers
        callbacks.push(() => done(store))
      }
    },
    stored: (piece: number) => log.push(`stored ${piece}`)
  }
  driver.entries.set(swarm, entry as unknown as SwarmEntry)
  return { answers, entry, callbacks }
}

describe("inputs of a peer machine", () => {
  it("that come before it exists wait for it, in order", () => {
    const { driver, log, begin } = scene(false)
    driver.connected(1)
    driver.disconnected(1, "gone")
    expect(log).toEqual([])
    begin()
    expect(log).toEqual(["1000 Connected 1", "1000 Disconnected 1 gone"])
    driver.connected(2)
    expect(log.at(-1)).toBe("1000 Connected 2")
  })

  it("go in one at a time, after the outputs of the one before", () => {
    const { driver, log, script, act } = scene()
    script.set("Connected", [
      { tag: "Send", connection: 1, message },
      { tag: "Dial", connection: 2, address: "b:1" }
    ] as ReadonlyArray<PeerHostOutput>)
    act.onSend = () => {
      act.onSend = () => {}
      driver.disconnected(1, "broken")
      driver.dialFailed(3, "refused")
    }
    driver.connected(1)
    expect(log).toEqual([
      "1000 Connected 1",
      "send 1 KeepAlive",
      "dial 2 b:1",
      "1000 Disconnected 1 broken",
      "1000 DialFailed 3 refused"
    ])
  })

  it("are the events of the transport", () => {
    const { driver, log } = scene()
    driver.received(1, message)
    driver.protocolBroken(1, "garbage", "protocol-error" as never)
    driver.pieceSent(1, swarm, 5)
    driver.refused()
    expect(log.map((line) => line.replace(swarm, "swarm"))).toEqual([
      "1000 Received 1 [object Object]",
      "1000 ProtocolBroken 1 garbage protocol-error",
      "1000 PieceSent 1 swarm 5",
      "invalid handshake"
    ])
  })

  it("end with stop, together with the timer", () => {
    const { driver, log, machine, clock } = scene()
    machine.nextWakeAt = 2000
    driver.connected(1)
    expect(clock.wakes).toHaveLength(1)
    driver.stop()
    expect(clock.wakes).toHaveLength(0)
    driver.connected(2)
    expect(log).toHaveLength(1)
  })
})

describe("outputs of a peer machine", () => {
  it("go to the endpoint and to the control plane, in order", () => {
    const { driver, log, script } = scene()
    script.set("Connected", [
      { tag: "Send", connection: 1, message, swarm },
      { tag: "Disconnect", connection: 1, reason: "full" },
      { tag: "SwarmAsked", swarm },
      { tag: "SwarmCompleted", swarm },
      { tag: "SwarmFailed", swarm, reason: "no disk" },
      { tag: "PeerBanned", reason: "liar" }
    ] as unknown as ReadonlyArray<PeerHostOutput>)
    driver.connected(1)
    expect(log.slice(1)).toEqual([
      "send 1 KeepAlive of swarm",
      "disconnect 1 full",
      "asked",
      "completed",
      "failed no disk",
      "banned liar"
    ])
  })
})

describe("the wake-up of a peer machine", () => {
  it("is at its next deadline, earlier if that moves forward and not later if it moves back", () => {
    const { driver, log, machine, clock } = scene()
    const deadlines = () => clock.wakes.map(({ at }) => at)
    driver.connected(1)
    expect(deadlines()).toEqual([])
    machine.nextWakeAt = 3000
    driver.connected(1)
    expect(deadlines()).toEqual([3000])
    machine.nextWakeAt = 2000
    driver.connected(1)
    expect(deadlines()).toEqual([2000])
    machine.nextWakeAt = 4000
    driver.connected(1)
    expect(deadlines()).toEqual([2000])
    clock.now = 2000
    const [timer] = clock.wakes.splice(0)
    timer?.wake()
    expect(log.at(-1)).toBe("2000 Woken")
    expect(deadlines()).toEqual([4000])
  })

  it("is set for inputs that waited for the machine", () => {
    const { machine, clock, begin } = scene(false)
    machine.nextWakeAt = 1500
    begin()
    expect(clock.wakes.map(({ at }) => at)).toEqual([1500])
  })
})

describe("pieces of an open swarm", () => {
  const orders = (tag: "CheckPiece" | "LoadPiece" | "StorePiece") =>
    [{ tag, swarm, piece: 4, payload: new Uint8Array(1) }] as unknown as ReadonlyArray<PeerHostOutput>
  const inputs = (log: ReadonlyArray<string>) => log.slice(1).map((line) => line.replace(` ${swarm}`, ""))

  it("are loaded from its file, which counts as a use", () => {
    const made = scene()
    const { driver, log, script } = made
    const { answers, entry } = opened(made)
    script.set("Connected", orders("LoadPiece"))
    driver.connected(1)
    answers.load = { tag: "Loaded", payload: new Uint8Array([7]), proof: new Uint8Array([9]) }
    driver.connected(1)
    expect(inputs(log)).toEqual([
      "1000 PieceLoadFailed 4 no disk",
      "1000 Connected 1",
      "1000 PieceLoaded 4 7 9"
    ])
    expect(entry.lastUse).toBe(1000)
  })

  it("are stored, and readers hear of a piece after the machine", () => {
    const made = scene()
    const { driver, log, script } = made
    const { answers, callbacks } = opened(made)
    script.set("Connected", orders("StorePiece"))
    driver.connected(1)
    answers.store = { tag: "Corrupt" }
    driver.connected(1)
    answers.store = { tag: "Failed", error: failure }
    driver.connected(1)
    expect(inputs(log)).toEqual(["1000 Connected 1", "1000 Connected 1"])
    for (const callback of callbacks) callback()
    expect(inputs(log).slice(2)).toEqual([
      "1000 PieceStored 4",
      "stored 4",
      "1000 PieceCorrupt 4",
      "1000 PieceStoreFailed 4 no disk"
    ])
  })

  it("that were recorded are checked, and readers hear of those that are there", () => {
    const made = scene()
    const { driver, log, script } = made
    const { answers, callbacks } = opened(made)
    script.set("Connected", orders("CheckPiece"))
    driver.connected(1)
    answers.isThere = false
    driver.connected(1)
    for (const callback of callbacks) callback()
    expect(inputs(log).slice(1)).toEqual(["1000 PieceFound 4", "stored 4", "1000 PieceLost 4"])
  })

  it("fail if the swarm was closed, after the outputs of the present input", () => {
    const { driver, log, script } = scene()
    script.set("Connected", [
      ...orders("LoadPiece"),
      ...orders("StorePiece"),
      { tag: "Dial", connection: 2, address: "b:1" }
    ] as ReadonlyArray<PeerHostOutput>)
    driver.connected(1)
    expect(inputs(log)).toEqual([
      "dial 2 b:1",
      "1000 PieceLoadFailed 4 the swarm was closed",
      "1000 PieceStoreFailed 4 the swarm was closed"
    ])
  })
})
