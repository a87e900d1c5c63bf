// Decides how frames travel between simulated hosts: in order on each connection, and every byte accounted for (sent =
// received + lost + under way). How long a link takes is links.ts; how connections begin and end is connections.ts;
// what breaks is faults.ts.
//
// Invariants: a sink is called from events only; a frame is either received once or lost; a bulk frame costs two
// events, a control frame one, and none when it follows a bulk frame of its connection.

import { invariant } from "../protocol/invariant.ts"
import type { Micros } from "../protocol/time.ts"
import { type ConnectionEnd, Frame, frameFlags, type NetworkHost } from "./connection.ts"
import type { EventTarget } from "./event-queue.ts"
import { eventKinds, type Kernel } from "./kernel.ts"
import { AccessLinks, bulkThreshold, type LinkRates } from "./links.ts"

const kinds = { arrived: eventKinds.network, uplinkDone: eventKinds.network + 1 } as const

/** Between two listeners of one host: no link, but not free either. */
export const loopbackLatency: Micros = 20
const loopbackCost = 1e6 / 5e9

/** What the connections are told by the frames that are theirs alone. */
export interface LifecycleFrames {
  /** The peer's last frame has come to this end. */
  readonly closeArrived: (end: ConnectionEnd) => void
  /** A frame from this end was lost to a cut. */
  readonly lost: (end: ConnectionEnd) => void
}

export class Network implements EventTarget {
  readonly hosts: NetworkHost[] = []
  readonly links = new AccessLinks<Frame>()
  readonly #kernel: Kernel
  readonly #lifecycle: LifecycleFrames
  readonly #byName = new Map<string, NetworkHost>()
  readonly #frames: Frame[] = []
  readonly #freeFrames: Frame[] = []

  constructor(kernel: Kernel, lifecycle: LifecycleFrames) {
    this.#kernel = kernel
    this.#lifecycle = lifecycle
  }

  /** The host of that name, made at its first use with these rates. */
  host(name: string, rates: LinkRates): NetworkHost {
    const known = this.#byName.get(name)
    if (known !== undefined) return known
    const host: NetworkHost = {
      name,
      index: this.hosts.length + 1,
      listeners: new Map(),
      ends: new Set(),
      on: true,
      group: 0,
      nextPort: firstEphemeralPort
    }
    this.hosts.push(host)
    this.#byName.set(name, host)
    this.links.setRates(host.index, rates)
    return host
  }

  find(name: string): NetworkHost | undefined {
    return this.#byName.get(name)
  }

  /**
   * Sends `payload` as `size` bytes to the other end. `mark` stands for its content in the trace, at its arrival. The
   * sender is told when it has left if `flags` say so.
   */
  transmit(from: ConnectionEnd, payload: unknown, size: number, mark: number, flags: number): void {
    const { links } = this
    const host = from.hostIndex
    links.countSent(host, size)
    if (from.severed) {
      links.countLost(host, size)
      this.#lifecycle.lost(from)
      return
    }
    const to = from.peer
    const frame = this.#freeFrames.pop() ?? this.#newFrame()
    frame.to = to
    frame.payload = payload
    frame.size = size
    frame.mark = mark
    frame.flags = flags | frameFlags.live
    const { now } = this.#kernel
    if (to.hostIndex === host) {
      this.#deliverAt(frame, from, now + loopbackLatency + size * loopbackCost)
    } else if (size > bulkThreshold) {
      from.lastBulk = frame
      if (links.enqueue(host, frame)) this.#startUplink(host, false)
    } else {
      const whole = links.sendControl(host, to.hostIndex, size, now)
      const behind = from.lastBulk
      const readyAt = whole + from.latency
      if (behind === undefined) this.#deliverAt(frame, from, readyAt)
      else {
        frame.readyAt = readyAt
        if (behind.followers === undefined) behind.followers = [frame]
        else behind.followers.push(frame)
      }
    }
  }

  /** Frames from this end may be on their way. */
  isSending(end: ConnectionEnd): boolean {
    return end.lastBulk !== undefined || end.lastArrival > this.#kernel.now
  }

  fire(kind: number, subject: unknown, detail: number): void {
    if (kind === kinds.arrived) this.#arrive(subject as Frame)
    else this.#uplinkDone(detail)
  }

  /** Bytes of frames that are under way, counted frame by frame. */
  bytesUnderWay(): number {
    let bytes = 0
    for (const frame of this.#frames) if ((frame.flags & frameFlags.live) !== 0) bytes += frame.size
    return bytes
  }

  /** Bytes of all hosts together. */
  totalBytes(): { sent: number; received: number; lost: number } {
    const total = { sent: 0, received: 0, lost: 0 }
    for (const { index } of this.hosts) {
      const { sent, received, lost } = this.links.bytes(index)
      total.sent += sent
      total.received += received
      total.lost += lost
    }
    return total
  }

  /** Stops the program unless every byte sent is received, lost or under way. */
  checkConservation(): void {
    const { sent, received, lost } = this.totalBytes()
    const underWay = this.bytesUnderWay()
    invariant(
      sent === received + lost + underWay,
      `network: ${sent} bytes sent, but ${received} received, ${lost} lost and ${underWay} under way`
    )
  }

  #deliverAt(frame: Frame, from: ConnectionEnd, instant: number): void {
    const at = Math.max(from.lastArrival, Math.ceil(instant))
    from.lastArrival = at
    this.#kernel.schedule(at, this, kinds.arrived, frame.to.hostIndex, frame)
  }

  /** Puts the next frame of a live connection on the free uplink. */
  #startUplink(host: number, waited: boolean): void {
    const { links } = this
    for (let frame = links.dequeue(host); frame !== undefined; frame = links.dequeue(host)) {
      if (!isDead(frame.to)) {
        const left = links.start(host, frame, this.#kernel.now, waited)
        this.#kernel.schedule(Math.ceil(left), this, kinds.uplinkDone, host, undefined, host)
        return
      }
      this.#loseWithFollowers(frame)
    }
  }

  #uplinkDone(host: number): void {
    const { links } = this
    const startedAt = links.startedAt(host)
    const frame = links.finish(host)
    const { to, size } = frame
    const from = to.peer
    this.#startUplink(host, true)
    if (isDead(to)) {
      this.#loseWithFollowers(frame)
      return
    }
    if (from.lastBulk === frame) from.lastBulk = undefined
    const { latency } = from
    const last = this.#kernel.now + latency
    this.#deliverAt(frame, from, links.receiveBulk(to.hostIndex, size, startedAt + latency, last))
    if (frame.followers !== undefined) this.#deliverLateFollowers(frame.followers, from)
    if ((frame.flags & frameFlags.tellSent) !== 0) {
      frame.flags &= ~frameFlags.tellSent
      from.sink.sent(frame.payload)
    }
  }

  /** Followers that cannot be whole when the frame before them is come by themselves, in order. */
  #deliverLateFollowers(followers: Frame[], from: ConnectionEnd): void {
    const { lastArrival } = from
    const first = followers.findIndex(({ readyAt }) => readyAt > lastArrival)
    if (first < 0) return
    for (const late of followers.splice(first)) this.#deliverAt(late, from, late.readyAt)
  }

  #arrive(frame: Frame): void {
    const followers = frame.followers
    this.#arriveOne(frame)
    if (followers === undefined) return
    for (const follower of followers) this.#arriveOne(follower)
  }

  #arriveOne(frame: Frame): void {
    const { to, payload, size, flags } = frame
    if (isDead(to)) {
      this.#lose(frame)
      return
    }
    this.links.countReceived(to.hostIndex, size, this.#kernel.now)
    this.#kernel.trace.number(frame.mark)
    this.#kernel.trace.number(size)
    this.#release(frame)
    if (flags > frameFlags.live) {
      if ((flags & frameFlags.last) !== 0) {
        this.#lifecycle.closeArrived(to)
        return
      }
      // Only a frame that took no turn on the uplink is still to be told of.
      if ((flags & frameFlags.tellSent) !== 0) to.peer.sink.sent(payload)
    }
    to.sink.received(payload, size)
  }

  #newFrame(): Frame {
    const frame = new Frame()
    this.#frames.push(frame)
    return frame
  }

  #loseWithFollowers(frame: Frame): void {
    const followers = frame.followers
    const from = frame.to.peer
    if (from.lastBulk === frame) from.lastBulk = undefined
    this.#lose(frame)
    if (followers !== undefined) for (const follower of followers) this.#lose(follower)
  }

  #lose(frame: Frame): void {
    this.links.countLost(frame.to.peer.hostIndex, frame.size)
    this.#release(frame)
  }

  #release(frame: Frame): void {
    frame.payload = undefined
    frame.followers = undefined
    frame.flags = 0
    this.#freeFrames.push(frame)
  }
}

const firstEphemeralPort = 40_000

/** Whatever comes to this end is lost. */
const isDead = (end: ConnectionEnd): boolean => end.deaf || (end.state !== "open" && end.state !== "closing")
