// Decides how the tests of the peer machine run many hosts in one process: a clock of integer microseconds, events in
// (time, order), connections that keep the order of messages, links that carry one piece after another each way, stores that
// know a corrupt piece, a tracker that hands out peers. For tests only; the simulator proper is runtime-sim.
//
// It watches every host from outside and throws when one breaks a promise: an unverified piece stored, served or
// announced; a Request with no answer or two; a limit exceeded.

import { Bitfield } from "./bitfield.ts"
import { parseDigest } from "./digest.ts"
import type { PeerHostRules } from "./host-context.ts"
import { invariant } from "./invariant.ts"
import { limits } from "./limits.ts"
import type { Message, SwarmId } from "./message.ts"
import type { Metainfo } from "./metainfo.ts"
import { pieceSize } from "./metainfo.ts"
import type { Payload } from "./payload.ts"
import { PeerHost } from "./peer-host.ts"
import type { ConnectionId, PeerHostInput, PeerHostOutput } from "./peer-host-io.ts"
import { type PeerAddress, type PeerKind, parsePeerId } from "./peer-id.ts"
import type { RandomSource } from "./random-source.ts"
import type { Micros } from "./time.ts"

/** A small generator (mulberry32): enough chance for a test, the same everywhere. */
export const seededRandom = (seed: number): RandomSource => {
  let state = seed >>> 0
  return {
    nextInt: (bound) => {
      state = (state + 0x6d2b79f5) >>> 0
      let mixed = Math.imul(state ^ (state >>> 15), state | 1)
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
      return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
    }
  }
}

export const testPeer = (index: number, kind: PeerKind = "agent"): PeerAddress => ({
  peerId: parsePeerId(index.toString(16).padStart(40, "0"))!,
  address: `host-${index}:1`,
  kind
})

export const testSwarm = (index: number): SwarmId => index.toString(16).padStart(64, "0") as SwarmId

/** A metainfo whose hashes mean nothing: the store of this world knows by itself what is corrupt. */
export const testMetainfo = (pieces: number, pieceLength: number, shortBy = 0): Metainfo => ({
  digest: parseDigest(`sha256:${"ab".repeat(32)}`)!,
  length: pieces * pieceLength - shortBy,
  pieceLength,
  pieceHashes: new Uint8Array(32 * pieces)
})

export interface TestPayload extends Payload {
  readonly piece: number
  readonly corrupt: boolean
}

/** What a dishonest or unlucky host does instead of what it should. */
export interface Faults {
  /** Of a hundred pieces that it sends, so many are corrupt. */
  corruptPercent: number
  /** It swallows requests without an answer. */
  silent: boolean
  /** Of a hundred loads, so many fail. */
  loadFailPercent: number
  /** It says that it has every piece. */
  liesAboutHave: boolean
}

export const noFaults: Faults = { corruptPercent: 0, silent: false, loadFailPercent: 0, liesAboutHave: false }

export interface TestHostOptions {
  readonly kind?: PeerKind
  readonly faults?: Faults
  /** Microseconds a byte, each way; 0 is a link without limit. */
  readonly linkMicrosPerByte?: number
}

interface Link {
  readonly ends: readonly [LinkEnd, LinkEnd]
  up: boolean
}

interface LinkEnd {
  readonly host: TestHost
  readonly connection: ConnectionId
  /** Nothing that is sent from here arrives earlier. */
  lastArrival: Micros
  /** Disconnected was told to this end. */
  told: boolean
  /** What this end opened, by the channel number that it gave; `opening` tells one Open from the next. */
  readonly channels: Map<
    number,
    { readonly swarm: SwarmId; readonly opening: number; readonly told: Set<number> }
  >
  openings: number
  /** Requests sent by this end and not answered yet, as "swarm piece opening". */
  readonly owed: Set<string>
  /** Those that have arrived at the other end, "swarm piece" to the name in `owed`. */
  readonly arrived: Map<string, string>
}

export class TestHost {
  readonly world: TestWorld
  readonly peer: PeerAddress
  readonly machine: PeerHost
  faults: Faults
  readonly stores = new Map<SwarmId, { readonly metainfo: Metainfo; readonly verified: Bitfield }>()
  readonly links = new Map<
    ConnectionId,
    { readonly link: Link; readonly end: LinkEnd; readonly other: LinkEnd }
  >()
  readonly completedAt = new Map<SwarmId, Micros>()
  readonly events: PeerHostOutput[] = []
  /** What the tracker and SwarmAsked find here though the swarm is not opened yet. */
  readonly library = new Map<SwarmId, { readonly metainfo: Metainfo; readonly verified: Bitfield }>()
  readonly linkMicrosPerByte: number
  uplinkFree: Micros = 0
  downlinkFree: Micros = 0
  accepted = 0
  alive = true
  wake: Micros | undefined = undefined
  readonly copiesSent: number[] = []

  constructor(world: TestWorld, index: number, options: TestHostOptions, rules: Partial<PeerHostRules>) {
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

  /** Opens a swarm with what is verified here. */
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
            this.step({ tag: "PieceLoaded", swarm, piece, payload })
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
    const name = world.watchSend(this, end, other, message)
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
      world.watchArrival(end, other, message, name)
      other.host.step({ tag: "Received", connection: other.connection, message })
    })
  }

  #check(): void {
    const { rules } = this.world
    const uploads = this.machine.uploads
    invariant(uploads.pieces <= (rules.maxUploadQueue ?? limits.maxUploadQueue), "test world: upload queue")
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
      const perSwarm = rules.maxRequestsPerSwarm ?? limits.maxRequestsPerSwarm
      invariant(status.requested <= 2 * perSwarm, "test world: requests of a swarm")
    }
  }
}

interface Event {
  readonly at: Micros
  readonly order: number
  readonly run: () => void
}

export class TestWorld {
  readonly seed: number
  readonly rules: Partial<PeerHostRules>
  readonly hosts: TestHost[] = []
  now: Micros = 0
  steps = 0
  trace = 0
  networkDelay: readonly [Micros, Micros] = [500, 500]
  diskDelay: readonly [Micros, Micros] = [100, 300]
  /** Of a hundred dials, so many fail. */
  dialFailPercent = 0
  readonly #random: RandomSource
  readonly #events: Event[] = []
  #order = 0

  constructor(seed: number, rules: Partial<PeerHostRules> = {}) {
    this.seed = seed
    this.rules = rules
    this.#random = seededRandom(seed)
  }

  add(options: TestHostOptions = {}): TestHost {
    const host = new TestHost(this, this.hosts.length + 1, options, this.rules)
    this.hosts.push(host)
    return host
  }

  /** Counts a step and folds it into the trace: two runs of one plan end with the same trace. */
  note(host: TestHost, input: PeerHostInput, outputs: readonly PeerHostOutput[]): void {
    this.steps++
    let trace = this.trace
    for (const part of [this.now, host.peer.address.length, input.tag.length, outputs.length]) {
      trace = (Math.imul(trace, 31) + part) | 0
    }
    for (const output of outputs) {
      trace = (Math.imul(trace, 31) + output.tag.length) | 0
      if (output.tag === "Send") trace = (Math.imul(trace, 31) + output.connection) | 0
    }
    this.trace = trace
  }

  nextInt(bound: number): number {
    return this.#random.nextInt(bound)
  }

  chance(percent: number): boolean {
    return percent > 0 && this.#random.nextInt(100) < percent
  }

  delay(what: "network" | "load" | "store"): Micros {
    const [least, most] = what === "network" ? this.networkDelay : this.diskDelay
    return least + (most > least ? this.#random.nextInt(most - least + 1) : 0)
  }

  after(delay: Micros, run: () => void): void {
    this.at(this.now + delay, run)
  }

  at(at: Micros, run: () => void): void {
    const events = this.#events
    const event = { at, order: this.#order++, run }
    let slot = events.length
    events.push(event)
    while (slot > 0) {
      const parent = (slot - 1) >> 1
      if (!isBefore(event, events[parent]!)) break
      events[slot] = events[parent]!
      slot = parent
    }
    events[slot] = event
  }

  /** Runs until nothing is left, `until` has come, or `done` says so; gives whether `done` did. */
  run(until: Micros, done: () => boolean = () => false): boolean {
    while (this.#events.length > 0 && this.#events[0]!.at <= until) {
      const event = this.#pop()
      invariant(event.at >= this.now, "test world: an event in the past")
      this.now = event.at
      event.run()
      if (done()) return true
    }
    this.now = Math.max(this.now, until)
    return false
  }

  #pop(): Event {
    const events = this.#events
    const first = events[0]!
    const last = events.pop()!
    if (events.length === 0) return first
    let slot = 0
    for (;;) {
      let child = 2 * slot + 1
      if (child >= events.length) break
      if (child + 1 < events.length && isBefore(events[child + 1]!, events[child]!)) child++
      if (!isBefore(events[child]!, last)) break
      events[slot] = events[child]!
      slot = child
    }
    events[slot] = last
    return first
  }

  /** A tracker: each incomplete host is offered `count` others that take part, every `interval`. */
  track(swarm: SwarmId, count: number, interval: Micros): void {
    const announce = (host: TestHost): void => {
      if (host.alive && host.stores.has(swarm) && !host.isComplete(swarm)) {
        const others = this.hosts.filter(
          (other) => other !== host && other.alive && (other.stores.has(swarm) || other.library.has(swarm))
        )
        for (let index = others.length - 1; index > 0; index--) {
          const swap = this.nextInt(index + 1)
          const held = others[index]!
          others[index] = others[swap]!
          others[swap] = held
        }
        const origins = others.filter((other) => other.peer.kind === "origin").slice(0, 3)
        const agents = others.filter((other) => other.peer.kind !== "origin").slice(0, count - origins.length)
        const peers = [...origins, ...agents].map((other) => other.peer)
        host.step({ tag: "PeersOffered", swarm, peers })
      }
      this.after(interval, () => announce(host))
    }
    for (const host of this.hosts) this.after(0, () => announce(host))
  }

  dial(from: TestHost, connection: ConnectionId, address: string): void {
    const to = this.hosts.find((host) => host.peer.address === address)
    this.after(this.delay("network"), () => {
      if (to === undefined || !to.alive || this.chance(this.dialFailPercent)) {
        from.step({ tag: "DialFailed", connection, reason: "unreachable" })
        return
      }
      const link: Link = { ends: [newEnd(from, connection), newEnd(to, -++to.accepted)], up: true }
      for (const [end, other] of [
        [link.ends[0], link.ends[1]] as const,
        [link.ends[1], link.ends[0]] as const
      ]) {
        end.host.links.set(end.connection, { link, end, other })
      }
      to.step({ tag: "Connected", connection: link.ends[1].connection })
      if (!link.ends[0].told) from.step({ tag: "Connected", connection })
    })
  }

  /** One end hangs up: it is told soon, the other after what was sent. */
  disconnect(host: TestHost, connection: ConnectionId): void {
    const place = host.links.get(connection)
    invariant(place !== undefined, "test world: disconnects what is not connected")
    this.at(this.now, () => this.#tellGone(place.end))
    this.at(Math.max(this.now + this.delay("network"), place.end.lastArrival), () =>
      this.#tellGone(place.other)
    )
  }

  /** A connection is lost for both ends, with what is on its way. */
  cut(host: TestHost, connection: ConnectionId): void {
    const place = host.links.get(connection)
    if (place === undefined) return
    place.link.up = false
    this.#tellGone(place.end)
    this.#tellGone(place.other)
  }

  /** A host is gone without a word; who was connected hears of it. */
  kill(host: TestHost): void {
    host.alive = false
    for (const connection of [...host.links.keys()]) this.cut(host, connection)
  }

  #tellGone(end: LinkEnd): void {
    if (end.told) return
    end.told = true
    end.host.links.delete(end.connection)
    end.host.step({ tag: "Disconnected", connection: end.connection, reason: "gone" })
  }

  /** Throws when a message breaks a promise of its sender; gives the name of the request it is about. */
  watchSend(host: TestHost, end: LinkEnd, other: LinkEnd, message: Message): string {
    if (message.tag === "Open") {
      invariant(!end.channels.has(message.channel), "test world: channel opened twice")
      end.channels.set(message.channel, { swarm: message.swarm, opening: ++end.openings, told: new Set() })
      if (message.have !== "none" && !host.faults.liesAboutHave) {
        const { verified } = host.stores.get(message.swarm)!
        const { length } = verified
        const told =
          message.have === "all" ? Bitfield.full(length) : Bitfield.fromBytes(message.have, length)!
        for (let piece = 0; piece < length; piece++) {
          invariant(!told.has(piece) || verified.has(piece), "test world: opens with an unverified piece")
        }
      }
      return ""
    }
    if (message.tag === "Hello" || message.tag === "Bye") return ""
    const channel = end.channels.get(message.channel)
    invariant(channel !== undefined, `test world: ${message.tag} on a channel that is not open`)
    const { swarm, opening } = channel
    const store = host.stores.get(swarm)
    switch (message.tag) {
      case "Close":
        end.channels.delete(message.channel)
        for (const name of end.owed) if (name.startsWith(swarm)) end.owed.delete(name)
        for (const key of other.arrived.keys()) if (key.startsWith(swarm)) other.arrived.delete(key)
        return swarm
      case "Have":
        for (const piece of message.pieces) {
          invariant(!channel.told.has(piece), "test world: says Have of a piece twice")
          channel.told.add(piece)
          invariant(
            host.faults.liesAboutHave || store!.verified.has(piece),
            "test world: has an unverified piece"
          )
        }
        return ""
      case "Request": {
        const name = `${swarm} ${message.piece} ${opening}`
        invariant(!end.owed.has(name), "test world: requested twice without an answer")
        end.owed.add(name)
        const most = 2 * (this.rules.maxRequestsPerNeighbour ?? limits.maxRequestsPerNeighbour)
        let count = 0
        for (const one of end.owed) if (one.startsWith(swarm)) count++
        invariant(count <= most, "test world: too many requests to one neighbour")
        return name
      }
      case "Piece":
      case "Reject": {
        const key = `${swarm} ${message.piece}`
        const name = other.arrived.get(key)
        invariant(name !== undefined, `test world: ${message.tag} answers no request`)
        other.arrived.delete(key)
        if (message.tag === "Piece" && !host.faults.liesAboutHave) {
          invariant(store!.verified.has(message.piece), "test world: serves an unverified piece")
        }
        return name
      }
      default:
        return ""
    }
  }

  /** Notes what has reached its receiver; `name` is what watchSend gave. */
  watchArrival(from: LinkEnd, to: LinkEnd, message: Message, name: string): void {
    if (message.tag === "Request") {
      from.arrived.set(name.slice(0, name.lastIndexOf(" ")), name)
    } else if (message.tag === "Piece" || message.tag === "Reject") {
      to.owed.delete(name)
    } else if (message.tag === "Close") {
      for (const key of from.arrived.keys()) if (key.startsWith(name)) from.arrived.delete(key)
      for (const owed of to.owed) if (owed.startsWith(name)) to.owed.delete(owed)
    }
  }

  /** Requests that were sent and never answered, on connections that live. */
  unanswered(): number {
    let count = 0
    for (const host of this.hosts) for (const { end } of host.links.values()) count += end.owed.size
    return count
  }
}

const newEnd = (host: TestHost, connection: ConnectionId): LinkEnd => ({
  host,
  connection,
  lastArrival: 0,
  told: false,
  channels: new Map(),
  openings: 0,
  owed: new Set(),
  arrived: new Map()
})

const isBefore = (one: Event, other: Event): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order)
