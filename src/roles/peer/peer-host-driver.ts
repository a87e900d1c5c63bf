// Decides how a host's peer machine (protocol/peer/peer-host.ts) is stepped: facts from the transport, the store and the
// timers go in one at a time, its orders are carried out before the next. What an order means for the control plane
// (a swarm that is asked for, complete or broken) is the engine's, told by DriverDuties.
//
// Invariants: one input at a time, outputs before the next input; facts that come before the machine is there wait for
// it; after stop nothing goes in any more; a piece is announced to waiters only after the store has it.
//
// One object with methods, and not a set of closures: this runs for every message of every host, and in a simulation of
// thousands of hosts what costs time is how many pieces of memory a step touches.

import type { ByeReason, Message, SwarmId } from "../../protocol/wire/message.ts"
import type { PeerHost } from "../../protocol/peer/peer-host.ts"
import type { ConnectionId, PeerHostInput, PeerHostOutput } from "../../protocol/swarm/peer-host-io.ts"
import type { SwarmEntry } from "./open-swarm.ts"
import type { PeerEndpoint, PeerTransportHandlers } from "../services/peer-transport.ts"
import type { Timers } from "../services/timers.ts"

/** What the machine's orders ask of the control plane. */
export interface DriverDuties {
  /** A peer opened a swarm that this host is not in: answer by SwarmOpened or SwarmUnknown. */
  readonly asked: (swarm: SwarmId) => void
  /** The last piece is stored. */
  readonly completed: (swarm: SwarmId) => void
  /** There is no storage for it. */
  readonly failed: (swarm: SwarmId, reason: string) => void
  readonly banned: (output: PeerHostOutput & { readonly tag: "PeerBanned" }) => void
  /** A caller at the peer port failed the handshake. */
  readonly invalidHandshake: () => void
}

export class PeerHostDriver implements PeerTransportHandlers {
  #machine!: PeerHost
  #endpoint!: PeerEndpoint
  readonly #timers: Timers["Service"]
  readonly #now: Timers["Service"]["now"]
  /** An input is being handled, or the machine is not there yet. */
  #busy = true
  #stopped = false
  readonly #waiting: PeerHostInput[] = []
  /** Something waits: asked after every step, so it is not left to the array. */
  #someWait = false
  #wakeAt = Number.POSITIVE_INFINITY
  #cancelWake: (() => void) | undefined
  readonly #duties: DriverDuties
  /** Swarms that are open in the machine. */
  readonly entries = new Map<SwarmId, SwarmEntry>()

  constructor(timers: Timers["Service"], duties: DriverDuties) {
    this.#timers = timers
    this.#now = timers.now
    this.#duties = duties
  }

  /** The machine is there; what waited for it goes in. */
  begin(machine: PeerHost, endpoint: PeerEndpoint): void {
    this.#machine = machine
    this.#endpoint = endpoint
    this.#drain()
    this.#settle()
  }

  /** Nothing goes in any more. */
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
    while (waiting.length > 0) this.#handle(waiting.shift()!)
    this.#someWait = false
  }

  #settle(): void {
    this.#busy = false
    // A wake that comes early is harmless, so a later deadline keeps the earlier timer.
    const wakeAt = this.#machine.nextWake()
    if (wakeAt !== undefined && wakeAt < this.#wakeAt) this.#armWake(wakeAt)
  }

  #armWake(at: number): void {
    this.#cancelWake?.()
    this.#wakeAt = at
    this.#cancelWake = this.#timers.wakeAt(at, () => {
      this.#cancelWake = undefined
      this.#wakeAt = Number.POSITIVE_INFINITY
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
      if (outcome.tag === "Loaded") this.feed({ tag: "PieceLoaded", swarm, piece, payload: outcome.payload })
      else this.feed({ tag: "PieceLoadFailed", swarm, piece, reason: outcome.error.message })
    })
  }

  #storePiece({ swarm, piece, payload }: PeerHostOutput & { readonly tag: "StorePiece" }): void {
    const entry = this.entries.get(swarm)
    if (entry === undefined) {
      this.#wait({ tag: "PieceStoreFailed", swarm, piece, reason: "the swarm was closed" })
      return
    }
    entry.file.store(piece, payload, (outcome) => {
      if (outcome.tag === "Corrupt") {
        this.feed({ tag: "PieceCorrupt", swarm, piece })
      } else if (outcome.tag === "Failed") {
        this.feed({ tag: "PieceStoreFailed", swarm, piece, reason: outcome.error.message })
      } else {
        // First the machine, which adds the piece to `have`, then those who wait for it.
        this.feed({ tag: "PieceStored", swarm, piece })
        entry.stored(piece)
      }
    })
  }
}
