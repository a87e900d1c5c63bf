// Two ways in which tests run the peer machine. TestWorld runs many hosts in one process: a clock of integer
// microseconds, events ordered by time and number, connections that keep the order of messages, and a tracker that
// hands out peers; test-host.ts and test-link.ts check the hosts. Stage runs one host by single steps, and the test
// plays its peers. The real simulator is runtime-sim.

import { Bitfield } from "../../src/protocol/kit/bitfield.ts"
import { invariant } from "../../src/protocol/kit/invariant.ts"
import type { RandomSource } from "../../src/protocol/kit/random-source.ts"
import type { Micros } from "../../src/protocol/kit/time.ts"
import { PeerHost } from "../../src/protocol/peer/peer-host.ts"
import type { PeerHostRules } from "../../src/protocol/swarm/host-context.ts"
import type { ConnectionId, PeerHostInput, PeerHostOutput } from "../../src/protocol/swarm/peer-host-io.ts"
import type { Have, Message, SwarmId } from "../../src/protocol/wire/message.ts"
import { protocolVersion } from "../../src/protocol/wire/message.ts"
import type { PeerKind } from "../../src/protocol/wire/peer-id.ts"
import { type HostWorld, TestHost, type TestHostOptions } from "./test-host.ts"
import { type Link, type LinkEnd, newEnd } from "./test-link.ts"
import { seededRandom, testMetainfo, testPeer, testSwarm } from "./test-values.ts"

interface Event {
  readonly at: Micros
  readonly order: number
  readonly run: () => void
}

export class TestWorld implements HostWorld {
  readonly seed: number
  readonly rules: Partial<PeerHostRules>
  readonly hosts: TestHost[] = []
  now: Micros = 0
  steps = 0
  trace = 0
  networkDelay: readonly [Micros, Micros] = [500, 500]
  diskDelay: readonly [Micros, Micros] = [100, 300]
  /** Percentage of the dials that fail. */
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

  /** Counts a step and adds it to the trace. Two runs of one plan have the same trace. */
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

  /** Runs until no events are left, until `until`, or until `done`; true in the last case. */
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

  /** A tracker: offers every incomplete host `count` other members of the swarm, every `interval`. */
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
      const link: Link<TestHost> = { ends: [newEnd(from, connection), newEnd(to, -++to.accepted)], up: true }
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

  /** One end disconnects: it is told soon, the other end after what was sent before. */
  disconnect(host: TestHost, connection: ConnectionId): void {
    const place = host.links.get(connection)
    invariant(place !== undefined, "test world: disconnects what is not connected")
    this.at(this.now, () => this.#tellGone(place.end))
    this.at(Math.max(this.now + this.delay("network"), place.end.lastArrival), () =>
      this.#tellGone(place.other)
    )
  }

  /** A connection is lost for both ends, with everything that is in flight. */
  cut(host: TestHost, connection: ConnectionId): void {
    const place = host.links.get(connection)
    if (place === undefined) return
    place.link.up = false
    this.#tellGone(place.end)
    this.#tellGone(place.other)
  }

  /** A host fails; its connections are lost. */
  kill(host: TestHost): void {
    host.alive = false
    for (const connection of [...host.links.keys()]) this.cut(host, connection)
  }

  #tellGone(end: LinkEnd<TestHost>): void {
    if (end.told) return
    end.told = true
    end.host.links.delete(end.connection)
    end.host.step({ tag: "Disconnected", connection: end.connection, reason: "gone" })
  }

  /** Number of unanswered requests on connections that exist. */
  unanswered(): number {
    let count = 0
    for (const host of this.hosts) for (const { end } of host.links.values()) count += end.owed.size
    return count
  }
}

const isBefore = (one: Event, other: Event): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order)

export const swarm = testSwarm(1)
export const pieces = 8
export const metainfo = testMetainfo(pieces, 1000)

/** One host and a clock. The test plays the peers by calls. */
export class Stage {
  readonly host: PeerHost
  now = 0
  outputs: readonly PeerHostOutput[] = []
  #accepted = 0

  constructor(kind: PeerKind = "agent", rules: Partial<PeerHostRules> = {}) {
    this.host = new PeerHost({
      ...testPeer(50, kind),
      random: seededRandom(3),
      limits: { requestsAtFirst: 100, ...rules }
    })
  }

  step(input: PeerHostInput): readonly PeerHostOutput[] {
    this.outputs = [...this.host.handle(input, this.now)]
    return this.outputs
  }

  open(have: Bitfield): void {
    this.step({ tag: "SwarmOpened", swarm, metainfo, have })
  }

  receive(connection: ConnectionId, message: Message): readonly Message[] {
    return messages(this.step({ tag: "Received", connection, message }), connection)
  }

  /** Connects a peer that dials this host and sends Hello. */
  accept(peer: number, kind: PeerKind = "agent"): ConnectionId {
    const connection = --this.#accepted
    this.step({ tag: "Connected", connection })
    this.receive(connection, hello(peer, kind))
    return connection
  }

  /** Connects a peer, which joins the swarm on its channel 5. */
  join(peer: number, have: Have, kind: PeerKind = "agent"): ConnectionId {
    const connection = this.accept(peer, kind)
    this.receive(connection, { tag: "Open", channel: 5, swarm, have })
    return connection
  }

  /** Advances to the next wake-up. */
  wake(): readonly PeerHostOutput[] {
    this.now = Math.max(this.now, this.host.nextWake()!)
    return this.step({ tag: "Woken" })
  }

  wakeUntil(time: number): PeerHostOutput[] {
    const outputs: PeerHostOutput[] = []
    for (let wake = this.host.nextWake(); wake !== undefined && wake <= time; wake = this.host.nextWake()) {
      outputs.push(...this.wake())
    }
    this.now = time
    return outputs
  }
}

export const hello = (peer: number, kind: PeerKind = "agent"): Message => ({
  tag: "Hello",
  version: protocolVersion,
  ...testPeer(peer, kind),
  credentials: new Uint8Array(0)
})

export const messages = (outputs: readonly PeerHostOutput[], connection: ConnectionId): Message[] =>
  outputs.flatMap((output) =>
    output.tag === "Send" && output.connection === connection ? [output.message] : []
  )

export const tags = (outputs: readonly PeerHostOutput[]): string[] =>
  outputs.map((output) => (output.tag === "Send" ? output.message.tag : output.tag))

export const requested = (sent: readonly Message[]): number[] =>
  sent.flatMap((message) => (message.tag === "Request" ? [message.piece] : []))

export const piece = (number: number, corrupt = false): Message => ({
  tag: "Piece",
  channel: 5,
  piece: number,
  proof: new Uint8Array(0),
  payload: { byteLength: 1000, piece: number, corrupt } as { byteLength: number }
})

export const bitsOf = (...set: number[]): Bitfield => {
  const field = new Bitfield(pieces)
  for (const one of set) field.set(one)
  return field
}
