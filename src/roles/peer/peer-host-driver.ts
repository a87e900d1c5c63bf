// Driver of a host's peer machine (protocol/peer/peer-host.ts): events of the transport, the store and the timers go in
// as inputs, and each output is carried out. Outputs for the control plane (a swarm is requested, complete or broken)
// go to the engine through DriverDuties.
//
// Invariants: inputs go in one at a time, and the outputs of one are carried out before the next. Inputs that arrive
// before the machine exists wait for it. After stop no input goes in. A reader that waits for a piece is called only
// after the store has the piece.
//
// It is one object with methods instead of a set of closures: it runs for every message of every host, and in a
// simulation of thousands of hosts the time of a step depends on how much memory it touches.

import type { Micros } from "../../protocol/kit/time.ts"
import type { PeerHost } from "../../protocol/peer/peer-host.ts"
import type { ConnectionId, PeerHostInput, PeerHostOutput } from "../../protocol/swarm/peer-host-io.ts"
import type { ByeReason, Message, SwarmId } from "../../protocol/wire/message.ts"
import type { PeerEndpoint, PeerTransportHandlers } from "../services/peer-transport.ts"
import type { Timers } from "../services/timers.ts"
import type { SwarmEntry } from "./open-swarm.ts"

/** The machine's outputs that the control plane carries out. */
export interface DriverDuties {
  /** A peer opened a swarm that is not open here; the answer is the input SwarmOpened or SwarmUnknown. */
  readonly asked: (swarm: SwarmId) => void
  /** The last piece is stored. */
  readonly completed: (swarm: SwarmId) => void
  /** The store failed for this swarm. */
  readonly failed: (swarm: SwarmId, reason: string) => void
  readonly banned: (output: PeerHostOutput & { readonly tag: "PeerBanned" }) => void
  /** A caller at the peer port failed the handshake. */
  readonly invalidHandshake: () => void
}

export class PeerHostDriver implements PeerTransportHandlers {
  // The fields that every input touches come first, in one cache line and a half.
  #stopped = false
  /** An input is being handled, or the machine does not exist yet. */
  #busy = true
  #machine!: PeerHost
  readonly #now: Timers["Service"]["now"]
  /** Whether inputs wait. A field, because it is read after every step and the array's length costs more. */
  #someWait = false
  /** When the timer fires. No infinity stands for "never": such a field would refer to a number elsewhere in memory. */
  #wakeAt: Micros | undefined
  #endpoint!: PeerEndpoint
  #cancelWake: (() => void) | undefined
  readonly #waiting: PeerHostInput[] = []
  readonly #timers: Timers["Service"]
  readonly #duties: DriverDuties
  /** The swarms that are open in the machine. */
  readonly entries = new Map<SwarmId, SwarmEntry>()

  constructor(timers: Timers["Service"], duties: DriverDuties) {
    this.#timers = timers
    this.#now = timers.now
    this.#duties = duties
  }

  /** Sets the machine; the inputs that waited for it go in. */
  begin(machine: PeerHost, endpoint: PeerEndpoint): void {
    this.#machine = machine
    this.#endpoint = endpoint
    this.#drain()
    this.#settle()
  }

  /** Ends the driver: no further input goes in. */
  stop(): void {
    this.#stopped = true
    this.#cancelWake?.()
  }

  feed(input: PeerHostInput): void {
    if (this.#stopped) return
    if (this.#busy) {
      this.#wait(input)
      return
    }
    this.#busy = true
    this.#handle(input)
    if (this.#someWait) this.#drain()
    this.#settle()
  }

  connected(connection: ConnectionId): void {
    this.feed({ tag: "Connected", connection })
  }

  dialFailed(connection: ConnectionId, reason: string): void {
    this.feed({ tag: "DialFailed", connection, reason })
  }

  received(connection: ConnectionId, message: Message): void {
    this.feed({ tag: "Received", connection, message })
  }

  protocolBroken(connection: ConnectionId, reason: string, bye: ByeReason): void {
    this.feed({ tag: "ProtocolBroken", connection, reason, bye })
  }

  pieceSent(connection: ConnectionId, swarm: SwarmId, piece: number): void {
    this.feed({ tag: "PieceSent", connection, swarm, piece })
  }

  disconnected(connection: ConnectionId, reason: string): void {
    this.feed({ tag: "Disconnected", connection, reason })
  }

  refused(): void {
    this.#duties.invalidHandshake()
  }

  #wait(input: PeerHostInput): void {
    this.#waiting.push(input)
    this.#someWait = true
  }

  #drain(): void {
    const waiting = this.#waiting
    for (let index = 0; index < waiting.length; index++) this.#handle(waiting[index]!)
    // Shifting them out one by one would free the memory of the array, and every wait would allocate it again.
    while (waiting.length > 0) waiting.pop()
    this.#someWait = false
  }

  #settle(): void {
    this.#busy = false
    // An early wake is harmless, so a timer is not moved to a later deadline.
    const wakeAt = this.#machine.nextWake()
    if (wakeAt === undefined) return
    if (this.#wakeAt === undefined || wakeAt < this.#wakeAt) this.#armWake(wakeAt)
  }

  #armWake(at: Micros): void {
    this.#cancelWake?.()
    this.#wakeAt = at
    this.#cancelWake = this.#timers.wakeAt(at, () => {
      this.#cancelWake = undefined
      this.#wakeAt = undefined
      this.feed({ tag: "Woken" })
    })
  }

  #handle(input: PeerHostInput): void {
    const outputs = this.#machine.handle(input, this.#now())
    for (let index = 0; index < outputs.length; index++) this.#perform(outputs[index]!)
  }

  #perform(output: PeerHostOutput): void {
    switch (output.tag) {
      case "Send":
        this.#endpoint.send(output.connection, output.message, output.swarm)
        break
      case "StorePiece":
        this.#storePiece(output)
        break
      case "CheckPiece":
        this.#checkPiece(output.swarm, output.piece)
        break
      case "LoadPiece":
        this.#loadPiece(output.swarm, output.piece)
        break
      case "Dial":
        this.#endpoint.dial(output.connection, output.address)
        break
      case "Disconnect":
        this.#endpoint.disconnect(output.connection, output.reason)
        break
      case "SwarmAsked":
        this.#duties.asked(output.swarm)
        break
      case "SwarmCompleted":
        this.#duties.completed(output.swarm)
        break
      case "SwarmFailed":
        this.#duties.failed(output.swarm, output.reason)
        break
      case "PeerBanned":
        this.#duties.banned(output)
    }
  }

  #loadPiece(swarm: SwarmId, piece: number): void {
    const entry = this.entries.get(swarm)
    if (entry === undefined) {
      this.#wait({ tag: "PieceLoadFailed", swarm, piece, reason: "the swarm was closed" })
      return
    }
    entry.lastUse = this.#now()
    entry.file.load(piece, (outcome) => {
      if (outcome.tag === "Loaded") {
        const { payload, proof, release } = outcome
        const isNow = !this.#busy
        this.feed({ tag: "PieceLoaded", swarm, piece, payload, proof })
        // The transport holds what it sends.
        if (isNow) release?.()
      } else this.feed({ tag: "PieceLoadFailed", swarm, piece, reason: outcome.error.message })
    })
  }

  #checkPiece(swarm: SwarmId, piece: number): void {
    const entry = this.entries.get(swarm)
    entry?.file.check(piece, (isThere) => {
      this.feed({ tag: isThere ? "PieceFound" : "PieceLost", swarm, piece })
      if (isThere) entry.stored(piece)
    })
  }

  #storePiece({ swarm, piece, payload, proof }: PeerHostOutput & { readonly tag: "StorePiece" }): void {
    const entry = this.entries.get(swarm)
    if (entry === undefined) {
      this.#wait({ tag: "PieceStoreFailed", swarm, piece, reason: "the swarm was closed" })
      return
    }
    entry.file.store(piece, payload, proof, (outcome) => {
      if (outcome.tag === "Corrupt") {
        this.feed({ tag: "PieceCorrupt", swarm, piece })
      } else if (outcome.tag === "Failed") {
        this.feed({ tag: "PieceStoreFailed", swarm, piece, reason: outcome.error.message })
      } else {
        // The machine adds the piece to `have` before the waiting readers are called.
        this.feed({ tag: "PieceStored", swarm, piece })
        entry.stored(piece)
      }
    })
  }
}
