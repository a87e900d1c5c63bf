// Carries frames between simulated hosts: in order on each connection, with an account of every byte (sent = received
// + lost + in flight). A model (link-model.ts) says how long bulk takes on the links, frame-loss.ts which frames are
// lost at random, faults.ts which by a fault, and connections.ts how connections begin and end.
//
// Invariants: a sink is called from events only; a frame is either received once or lost; a bulk frame costs two
// events in the model "queue", a control frame one, and none when it arrives with the previous frame of its
// connection.

import { invariant } from "../../protocol/kit/invariant.ts"
import type { Micros } from "../../protocol/kit/time.ts"
import type { EventTarget } from "../kernel/event-queue.ts"
import { eventKinds, type Kernel } from "../kernel/kernel.ts"
import { type ConnectionEnd, Frame, frameFlags, isDead, type NetworkHost } from "./connection.ts"
import type { FabricOptions, Place } from "./fabric.ts"
import { FairLinks } from "./fair-links.ts"
import { FrameLoss, type FrameLossOptions } from "./frame-loss.ts"
import { type BulkCarrier, type BulkLinks, type LinkModel, NetworkRefused } from "./link-model.ts"
import { AccessLinks, bulkThreshold, type HostUse, type LinkRates } from "./links.ts"
import { QueueLinks } from "./queue-links.ts"
import { SocketBuffers } from "./socket-buffers.ts"

const arrived = eventKinds.network

/** Latency between two listeners of one host: no link, but not free either. */
export const loopbackLatency: Micros = 20
const loopbackCost = 1e6 / 5e9

/** Reports to the connections about the frames that are theirs alone. */
export interface LifecycleFrames {
  /** The peer's last frame has arrived at this end. */
  readonly closeArrived: (end: ConnectionEnd) => void
  /** A frame from this end was lost to a cut. */
  readonly lost: (end: ConnectionEnd) => void
}

/** Options of the carriage of frames. */
export interface CarriageOptions extends FabricOptions {
  /** "fair" when absent. */
  readonly linkModel?: LinkModel | undefined
  /** No frame is lost when absent. */
  readonly loss?: FrameLossOptions | undefined
  /**
   * Bytes of a connection that the kernel of a host takes before they leave: senders are told `sent` that much
   * earlier. 0 when absent.
   */
  readonly socketBuffer?: number | undefined
}

export class Network implements EventTarget, BulkCarrier {
  readonly hosts: NetworkHost[] = []
  readonly links = new AccessLinks<Frame>()
  readonly #bulk: BulkLinks
  readonly #loss: FrameLoss | undefined
  readonly #buffers: SocketBuffers | undefined
  readonly #kernel: Kernel
  readonly #lifecycle: LifecycleFrames
  readonly #byName = new Map<string, NetworkHost>()
  readonly #frames: Frame[] = []
  readonly #freeFrames: Frame[] = []

  /** Throws NetworkRefused when the options contradict each other. */
  constructor(kernel: Kernel, lifecycle: LifecycleFrames, options: CarriageOptions) {
    this.#kernel = kernel
    this.#lifecycle = lifecycle
    this.#bulk = makeBulkLinks(options, kernel, this.links, this)
    const { loss, socketBuffer = 0 } = options
    if (socketBuffer > 0) this.#buffers = new SocketBuffers(kernel, socketBuffer)
    if (loss !== undefined && loss.probability !== 0) {
      this.#loss = new FrameLoss(loss, kernel.stream("network/loss"))
    }
  }

  /** The host with this name, made at its first use with these rates. */
  host(name: string, rates: LinkRates, place: Place = {}): NetworkHost {
    const known = this.#byName.get(name)
    if (known !== undefined) return known
    const host: NetworkHost = {
      name,
      place,
      index: this.hosts.length + 1,
      listeners: new Map(),
      ends: new Set(),
      on: true,
      group: 0,
      nextPort: firstEphemeralPort
    }
    this.hosts.push(host)
    this.#byName.set(name, host)
    this.#bulk.setRates(host, rates)
    return host
  }

  /**
   * Changes the rates of a host's links. Traffic on the links continues at the new rates as far as the model supports
   * it.
   */
  setRates(host: NetworkHost, rates: LinkRates): void {
    this.#bulk.setRates(host, rates)
  }

  /** Frames in flight to this end will not be received. */
  ended(to: ConnectionEnd): void {
    this.#bulk.ended(to)
  }

  find(name: string): NetworkHost | undefined {
    return this.#byName.get(name)
  }

  /**
   * Sends `payload` as `size` bytes to the other end. `mark` stands for its content in the trace, at its arrival.
   * With the flag `reportSent`, the sender is told when the frame has left, or is in the buffer of its socket. With
   * the flag `overtakes`, a control frame passes the bulk of its connection, but no control frame.
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
    const frame = this.#freeFrames.pop() ?? this.#newFrame()
    const to = from.peerIndex
    frame.to = from.peer
    frame.payload = payload
    frame.size = size
    frame.mark = mark
    frame.flags = flags | frameFlags.live
    const { now } = this.#kernel
    if (to === host) {
      this.#deliverAt(frame, from, now + loopbackLatency + size * loopbackCost)
    } else if (size > bulkThreshold) {
      from.lastBulk = frame
      this.#buffers?.queue(from, frame)
      this.#bulk.send(frame)
    } else {
      const whole = links.sendControl(host, to, size, now)
      this.#bulk.control(host, to, size)
      const behind = (flags & frameFlags.overtakes) === 0 ? from.lastBulk : from.lastInOrder
      from.lastInOrder = behind
      const readyAt = whole + from.latency
      if (behind === undefined) this.#deliverAt(frame, from, readyAt + this.#lossDelay(frame, from))
      else {
        frame.readyAt = readyAt
        follow(behind, frame)
      }
    }
  }

  /** Whether frames from this end may be in flight. */
  isSending(end: ConnectionEnd): boolean {
    return end.lastBulk !== undefined || end.lastArrival > this.#kernel.now
  }

  fire(_kind: number, subject: unknown): void {
    this.#arrive(subject as Frame)
  }

  left(frame: Frame, whole: number): void {
    const from = frame.to.peer
    if (from.lastBulk === frame) from.lastBulk = undefined
    if (from.lastInOrder === frame) from.lastInOrder = undefined
    this.#deliverAt(frame, from, whole + this.#lossDelay(frame, from))
    if (frame.followers !== undefined) this.#deliverLateFollowers(frame.followers, from)
    if (this.#buffers !== undefined) {
      this.#buffers.left(from, frame.size)
    } else if ((frame.flags & frameFlags.reportSent) !== 0) {
      frame.flags &= ~frameFlags.reportSent
      from.sink.sent(frame.payload)
    }
  }

  lost(frame: Frame): void {
    const followers = frame.followers
    const from = frame.to.peer
    if (from.lastBulk === frame) from.lastBulk = undefined
    if (from.lastInOrder === frame) from.lastInOrder = undefined
    this.#lose(frame)
    if (followers !== undefined) for (const follower of followers) this.#lose(follower)
  }

  /** How much the access links of a host have been used since the start. */
  use(host: NetworkHost): HostUse {
    return this.#bulk.use(host)
  }

  /** Bytes of frames in flight, counted frame by frame. */
  bytesInFlight(): number {
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

  /** Stops the program unless every byte sent is received, lost or in flight. */
  checkConservation(): void {
    const { sent, received, lost } = this.totalBytes()
    const inFlight = this.bytesInFlight()
    invariant(
      sent === received + lost + inFlight,
      `network: ${sent} bytes sent, but ${received} received, ${lost} lost and ${inFlight} in flight`
    )
  }

  #deliverAt(frame: Frame, from: ConnectionEnd, instant: number): void {
    const at = Math.max(from.lastArrival, Math.ceil(instant))
    const { lastFrame } = from
    const isWithLast = lastFrame !== undefined && at === from.lastArrival && at > this.#kernel.now
    if (isWithLast && frame.followers === undefined) {
      follow(lastFrame, frame)
      return
    }
    from.lastArrival = at
    from.lastFrame = frame
    this.#kernel.schedule(at, this, arrived, from.peerIndex, frame)
  }

  /** Draws whether the frame is lost. Returns the delay of its arrival, and accounts for the copies. */
  #lossDelay(frame: Frame, from: ConnectionEnd): number {
    const loss = this.#loss
    if (loss === undefined) return 0
    const copies = loss.lostCopies()
    if (copies === 0) return 0
    const { links } = this
    const { size, to } = frame
    links.countSent(from.hostIndex, copies * size)
    links.countLost(from.hostIndex, copies * size)
    this.#bulk.again(from.hostIndex, to.hostIndex, copies * size)
    return copies * (loss.timeout + links.alone(from.hostIndex, to.hostIndex, size))
  }

  /** Delivers the followers that are not whole when the frame before them arrives: by themselves, in order. */
  #deliverLateFollowers(followers: Frame[], from: ConnectionEnd): void {
    const { lastArrival } = from
    if (this.#loss !== undefined) {
      for (const follower of followers) {
        const delay = this.#lossDelay(follower, from)
        if (delay > 0) follower.readyAt = Math.max(follower.readyAt, lastArrival) + delay
      }
    }
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
      // Only a frame that used no uplink has not been reported yet.
      if ((flags & frameFlags.reportSent) !== 0) to.peer.sink.sent(payload)
    }
    to.sink.received(payload, size)
  }

  #newFrame(): Frame {
    const frame = new Frame()
    this.#frames.push(frame)
    return frame
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

const follow = (leader: Frame, frame: Frame): void => {
  if (leader.followers === undefined) leader.followers = [frame]
  else leader.followers.push(frame)
}

const firstEphemeralPort = 40_000

const makeBulkLinks = (
  options: CarriageOptions,
  kernel: Kernel,
  links: AccessLinks<Frame>,
  carrier: BulkCarrier
): BulkLinks => {
  const { linkModel = "fair", racks, zones } = options
  if (linkModel !== "queue") return new FairLinks(kernel, links, carrier, { racks, zones }, linkModel)
  if (racks !== undefined || zones !== undefined) {
    const message =
      'the link model "queue" has no links that hosts share: leave out the rates of racks and zones, ' +
      'or choose the link model "fair"'
    throw new NetworkRefused({ message })
  }
  return new QueueLinks(kernel, links, carrier)
}
