// Host of a test world: a peer machine, stores that recognise a corrupt piece, links that carry one piece after another
// in each direction, and faults. It carries out the outputs of the machine, and throws when the machine exceeds a
// limit, stores a piece twice, or claims to be complete when it is not.

import { Bitfield } from "../../src/protocol/kit/bitfield.ts"
import { invariant } from "../../src/protocol/kit/invariant.ts"
import type { Micros } from "../../src/protocol/kit/time.ts"
import { limits } from "../../src/protocol/limits.ts"
import { PeerHost } from "../../src/protocol/peer/peer-host.ts"
import type { PeerHostRules } from "../../src/protocol/swarm/host-context.ts"
import type { ConnectionId, PeerHostInput, PeerHostOutput } from "../../src/protocol/swarm/peer-host-io.ts"
import { hashBytes, levelsAbove, unclesMissing } from "../../src/protocol/wire/hash-tree.ts"
import type { Message, SwarmId } from "../../src/protocol/wire/message.ts"
import { type Metainfo, pieceSize } from "../../src/protocol/wire/metainfo.ts"
import type { Payload } from "../../src/protocol/wire/payload.ts"
import type { PeerAddress, PeerKind } from "../../src/protocol/wire/peer-id.ts"
import { type Link, type LinkEnd, watchArrival, watchSend } from "./test-link.ts"
import { seededRandom, testPeer } from "./test-values.ts"

interface TestPayload extends Payload {
  readonly piece: number
  readonly corrupt: boolean
}

/** Faults of a dishonest or unlucky host. */
export interface Faults {
  /** Percentage of the pieces that it sends corrupt. */
  corruptPercent: number
  /** It never answers requests. */
  silent: boolean
  /** Percentage of its loads that fail. */
  loadFailPercent: number
  /** It claims to have every piece. */
  liesAboutHave: boolean
}

export const noFaults: Faults = { corruptPercent: 0, silent: false, loadFailPercent: 0, liesAboutHave: false }

export interface TestHostOptions {
  readonly kind?: PeerKind
  readonly faults?: Faults
  /** Microseconds per byte, in each direction; 0 for a link without a limit. */
  readonly linkMicrosPerByte?: number
}

/** The world of a host, as the host sees it. */
export interface HostWorld {
  readonly seed: number
  readonly rules: Partial<PeerHostRules>
  readonly now: Micros
  readonly chance: (percent: number) => boolean
  readonly delay: (what: "network" | "load" | "store") => Micros
  readonly after: (delay: Micros, run: () => void) => void
  readonly at: (at: Micros, run: () => void) => void
  readonly note: (host: TestHost, input: PeerHostInput, outputs: readonly PeerHostOutput[]) => void
  readonly dial: (from: TestHost, connection: ConnectionId, address: string) => void
  readonly disconnect: (host: TestHost, connection: ConnectionId) => void
}

export class TestHost {
  readonly world: HostWorld
  readonly peer: PeerAddress
  readonly machine: PeerHost
  faults: Faults
  readonly stores = new Map<SwarmId, { readonly metainfo: Metainfo; readonly verified: Bitfield }>()
  readonly links = new Map<
    ConnectionId,
    { readonly link: Link<TestHost>; readonly end: LinkEnd<TestHost>; readonly other: LinkEnd<TestHost> }
  >()
  readonly completedAt = new Map<SwarmId, Micros>()
  readonly events: PeerHostOutput[] = []
  /** Swarms that the tracker and SwarmAsked find here before they are opened. */
  readonly library = new Map<SwarmId, { readonly metainfo: Metainfo; readonly verified: Bitfield }>()
  readonly linkMicrosPerByte: number
  uplinkFree: Micros = 0
  downlinkFree: Micros = 0
  accepted = 0
  alive = true
  wake: Micros | undefined = undefined
  readonly copiesSent: number[] = []

  constructor(world: HostWorld, index: number, options: TestHostOptions, rules: Partial<PeerHostRules>) {
    this.world = world
    this.peer = testPeer(index, options.kind ?? "agent")
    this.faults = options.faults ?? noFaults
    this.linkMicrosPerByte = options.linkMicrosPerByte ?? 0
    this.machine = new PeerHost({
      ...this.peer,
      random: seededRandom(index * 7919 + world.seed),
      limits: rules
    })
  }

  /** Opens a swarm with the pieces that are verified here. */
  open(swarm: SwarmId, metainfo: Metainfo, have: Bitfield): void {
    this.stores.set(swarm, { metainfo, verified: have.copy() })
    const claimed = this.faults.liesAboutHave ? Bitfield.full(have.length) : have
    this.step({ tag: "SwarmOpened", swarm, metainfo, have: claimed })
  }

  close(swarm: SwarmId): void {
    this.stores.delete(swarm)
    this.step({ tag: "SwarmClosed", swarm })
  }

  isComplete(swarm: SwarmId): boolean {
    return this.stores.get(swarm)?.verified.isFull === true
  }

  step(input: PeerHostInput): void {
    if (!this.alive) return
    const outputs = [...this.machine.handle(input, this.world.now)]
    this.world.note(this, input, outputs)
    for (const output of outputs) this.#carryOut(output)
    this.#check()
    const wake = this.machine.nextWake()
    if (wake !== undefined && (this.wake === undefined || wake < this.wake)) {
      this.wake = wake
      this.world.at(Math.max(wake, this.world.now), () => this.#woken(wake))
    }
  }

  #woken(at: Micros): void {
    if (this.wake !== at) return
    this.wake = undefined
    this.step({ tag: "Woken" })
  }

  #carryOut(output: PeerHostOutput): void {
    const { world } = this
    switch (output.tag) {
      case "Dial":
        world.dial(this, output.connection, output.address)
        return
      case "Send":
        this.#send(output.connection, output.message)
        return
      case "Disconnect":
        world.disconnect(this, output.connection)
        return
      case "LoadPiece": {
        const store = this.stores.get(output.swarm)
        world.after(world.delay("load"), () => {
          const failed = store === undefined || world.chance(this.faults.loadFailPercent)
          const { swarm, piece } = output
          if (failed) this.step({ tag: "PieceLoadFailed", swarm, piece, reason: "disk" })
          else {
            const corrupt = !store.verified.has(piece) || world.chance(this.faults.corruptPercent)
            const payload: TestPayload = { byteLength: pieceSize(store.metainfo, piece), piece, corrupt }
            const proof = new Uint8Array(hashBytes * levelsAbove(store.verified.length))
            this.step({ tag: "PieceLoaded", swarm, piece, payload, proof })
          }
        })
        return
      }
      case "StorePiece": {
        const { swarm, piece } = output
        const payload = output.payload as TestPayload
        invariant(payload.piece === piece, "test world: a piece is stored under another number")
        const store = this.stores.get(swarm)
        world.after(world.delay("store"), () => {
          if (payload.corrupt) {
            this.step({ tag: "PieceCorrupt", swarm, piece })
            return
          }
          if (store !== undefined) {
            invariant(
              output.proof.byteLength >= hashBytes * unclesMissing(store.verified, piece),
              "test world: a proof lacks uncles that the receiver does not have"
            )
            invariant(
              this.stores.get(swarm) !== store || store.verified.set(piece),
              "test world: a piece is stored twice"
            )
          }
          this.step({ tag: "PieceStored", swarm, piece })
        })
        return
      }
      case "SwarmAsked": {
        const { swarm } = output
        world.after(world.delay("load"), () => {
          const found = this.library.get(swarm)
          if (found === undefined) this.step({ tag: "SwarmUnknown", swarm })
          else if (!this.stores.has(swarm)) this.open(swarm, found.metainfo, found.verified)
        })
        return
      }
      case "SwarmCompleted":
        invariant(this.isComplete(output.swarm), "test world: completed without every piece")
        invariant(!this.completedAt.has(output.swarm), "test world: completed twice")
        this.completedAt.set(output.swarm, world.now)
        this.events.push(output)
        return
      case "PeerBanned":
      case "SwarmFailed":
        this.events.push(output)
        return
    }
  }

  #send(connection: ConnectionId, message: Message): void {
    const place = this.links.get(connection)
    invariant(place !== undefined && !place.end.told, "test world: sends on a connection that is gone")
    const { world } = this
    const { link, end, other } = place
    const name = watchSend(end, other, message)
    if (this.faults.silent && (message.tag === "Piece" || message.tag === "Reject")) return
    if (!link.up) return
    let arrives = world.now + world.delay("network")
    if (message.tag === "Piece") {
      const bytes = message.payload.byteLength
      const leaves = Math.max(world.now, this.uplinkFree) + Math.round(bytes * this.linkMicrosPerByte)
      this.uplinkFree = leaves
      const receiver = other.host
      const taken = receiver.downlinkFree + Math.round(bytes * receiver.linkMicrosPerByte)
      arrives = Math.max(leaves + world.delay("network"), taken)
      receiver.downlinkFree = arrives
      const { swarm } = end.channels.get(message.channel)!
      this.copiesSent[message.piece] = (this.copiesSent[message.piece] ?? 0) + 1
      world.at(leaves, () => {
        if (!end.told) this.step({ tag: "PieceSent", connection, swarm, piece: message.piece })
      })
    }
    arrives = Math.max(arrives, end.lastArrival)
    end.lastArrival = arrives
    world.at(arrives, () => {
      if (other.told || !link.up) return
      watchArrival(end, other, message, name)
      other.host.step({ tag: "Received", connection: other.connection, message })
    })
  }

  #check(): void {
    const { rules } = this.world
    const uploads = this.machine.uploads
    // Those to slow neighbours hold no place, and a place beyond the queue is kept for a neighbour that is behind.
    const slow = rules.maxUploadsInFlight ?? limits.maxUploadsInFlight
    const line = rules.maxUploadLine ?? limits.maxUploadLine
    invariant(
      uploads.pieces <= (rules.maxUploadQueue ?? limits.maxUploadQueue) + slow + line + 1,
      "test world: upload queue"
    )
    invariant(
      uploads.stalled <= (rules.maxUploadQueue ?? limits.maxUploadQueue),
      "test world: stalled uploads"
    )
    invariant(
      uploads.bytes <= (rules.maxUploadBytes ?? limits.maxUploadBytes),
      "test world: bytes of uploads"
    )
    invariant(
      this.machine.connections <= (rules.maxConnections ?? limits.maxConnections),
      "test world: connections"
    )
    const most =
      this.peer.kind === "origin"
        ? (rules.maxSeederNeighbours ?? limits.maxSeederNeighbours)
        : (rules.maxNeighbours ?? limits.maxNeighbours)
    for (const swarm of this.stores.keys()) {
      const status = this.machine.swarmStatus(swarm)
      if (status === undefined) continue
      invariant(status.neighbours <= most, "test world: neighbours")
      const mostOut = rules.maxRequestsOut ?? limits.maxRequestsOut
      invariant(status.requested <= mostOut, "test world: requests of a swarm")
    }
  }
}
