// Decides how frames travel between simulated hosts: connections by name and port, delivery in order, and every byte
// accounted for (sent = received + lost + under way). How long a link takes is links.ts; what breaks is faults.ts.
//
// Invariants: a sink is called from events only; a frame is either received once or lost; a bulk frame costs two
// events, a control frame one, and none when it follows a bulk frame of its connection.

import { invariant } from "../protocol/invariant.ts"
import type { Micros } from "../protocol/time.ts"
import {
  ConnectionEnd,
  type ConnectionSink,
  Frame,
  type NetworkHost,
  type PortListener
} from "./connection.ts"
import type { EventTarget } from "./event-queue.ts"
import { eventKinds, type Kernel } from "./kernel.ts"
import { AccessLinks, bulkThreshold, type LinkRates } from "./links.ts"

export interface NetworkOptions extends LinkRates {
  /** One way, between two hosts by number; must not depend on anything else. */
  readonly latency: Micros | ((from: number, to: number) => Micros)
  /** How long a dial waits for a host that does not answer. */
  readonly connectTimeout: Micros
  /** How long both ends take to learn that a frame was lost. */
  readonly detectionDelay: Micros
}

const kinds = {
  arrived: eventKinds.network,
  uplinkDone: eventKinds.network + 1,
  dialArrived: eventKinds.network + 2,
  dialAnswered: eventKinds.network + 3,
  dialRefused: eventKinds.network + 4,
  closed: eventKinds.network + 5
} as const

/** Between two listeners of one host: no link, but not free either. */
const loopbackLatency: Micros = 20
const loopbackCost = 1e6 / 5e9
const firstEphemeralPort = 40_000
const closeFrameBytes = 8

interface DialRequest {
  readonly end: ConnectionEnd
  readonly to: NetworkHost
  readonly port: number
}

export class Network implements EventTarget {
  readonly hosts: NetworkHost[] = []
  readonly options: NetworkOptions
  readonly #kernel: Kernel
  readonly #byName = new Map<string, NetworkHost>()
  readonly #frames: Frame[] = []
  readonly #freeFrames: Frame[] = []
  /** Numbers HTTP exchanges for the trace. */
  nextExchange = 1
  /** Set by faults.ts: whether frames from one host reach the other. */
  reaches: (from: NetworkHost, to: NetworkHost) => boolean = () => true

  constructor(kernel: Kernel, options: NetworkOptions) {
    this.#kernel = kernel
    this.options = options
  }

  /** The host of that name, made at its first use with these rates. */
  host(name: string, rates: LinkRates = this.options): NetworkHost {
    const known = this.#byName.get(name)
    if (known !== undefined) return known
    const host: NetworkHost = {
      name,
      index: this.hosts.length + 1,
      links: new AccessLinks(rates),
      listeners: new Map(),
      ends: new Set(),
      on: true,
      group: 0,
      nextPort: firstEphemeralPort,
      sentBytes: 0,
      receivedBytes: 0,
      lostBytes: 0
    }
    this.hosts.push(host)
    this.#byName.set(name, host)
    return host
  }

  /** Opens a port; 0 takes a free one. Gives the port, or undefined when it is taken. */
  listen(host: NetworkHost, port: number, listener: PortListener): number | undefined {
    let chosen = port
    if (chosen === 0) {
      do chosen = host.nextPort++
      while (host.listeners.has(chosen))
    }
    if (host.listeners.has(chosen)) return undefined
    host.listeners.set(chosen, listener)
    return chosen
  }

  /** Dials; the sink is told opened or refused. */
  dial(from: NetworkHost, toName: string, port: number, sink: ConnectionSink): ConnectionEnd {
    const kernel = this.#kernel
    const to = this.#byName.get(toName)
    const end = new ConnectionEnd(from, to === undefined ? 0 : this.#latency(from, to))
    end.sink = sink
    from.ends.add(end)
    if (to === undefined) {
      end.reason = `no host is called ${toName}`
      kernel.schedule(kernel.now + 1, this, kinds.dialRefused, from.index, end)
    } else if (!to.on || !this.reaches(from, to) || !this.reaches(to, from)) {
      end.reason = `${toName}:${port} does not answer`
      kernel.schedule(kernel.now + this.options.connectTimeout, this, kinds.dialRefused, from.index, end)
    } else {
      const request: DialRequest = { end, to, port }
      kernel.schedule(kernel.now + end.latency, this, kinds.dialArrived, to.index, request)
    }
    return end
  }

  /**
   * Sends `payload` as `size` bytes. The three numbers enter the trace at its arrival. What an end that is not open
   * sends goes nowhere.
   */
  send(
    from: ConnectionEnd,
    payload: unknown,
    size: number,
    tag: number,
    first: number,
    second: number,
    tellSent: boolean
  ): void {
    if (from.state !== "open") return
    this.#transmit(from, payload, size, tag, first, second, tellSent, false)
  }

  /** Ends a connection after what was already sent. The own sink is told closed when the other end has all. */
  close(end: ConnectionEnd, reason: string): void {
    if (end.state !== "open") return
    end.reason = reason
    this.#transmit(end, undefined, closeFrameBytes, 0, 0, 0, false, true)
    if (end.state === "open") end.state = "closing"
  }

  /** Ends a connection now: what is under way is lost. Both sinks are told. */
  reset(end: ConnectionEnd, reason: string): void {
    if (end.state === "closed") return
    const kernel = this.#kernel
    if (end.state === "connecting") {
      end.state = "broken"
      end.reason = reason
      kernel.schedule(kernel.now, this, kinds.dialRefused, end.host.index, end)
      return
    }
    const told = end.state === "broken"
    end.state = "broken"
    if (!told) kernel.schedule(kernel.now, this, kinds.closed, end.host.index, this.#because(end, reason))
    this.#tellPeerOfReset(end, reason)
  }

  /** A process died: its ends vanish without a word to their sinks; the other ends learn of it by a reset. */
  abandon(end: ConnectionEnd, reason: string): void {
    if (end.state === "closed") return
    const connecting = end.state === "connecting"
    end.state = "closed"
    end.host.ends.delete(end)
    if (!connecting) this.#tellPeerOfReset(end, reason)
  }

  /** A frame was lost: both ends learn it after the detection delay, and nothing passes until then. */
  breakConnection(end: ConnectionEnd, reason: string): void {
    const kernel = this.#kernel
    const at = kernel.now + this.options.detectionDelay
    for (const side of [end, end.peer]) {
      if (side.state !== "open" && side.state !== "closing") continue
      side.state = "broken"
      kernel.schedule(at, this, kinds.closed, side.host.index, this.#because(side, reason))
    }
  }

  fire(kind: number, subject: unknown): void {
    if (kind === kinds.arrived) this.#arrive(subject as Frame)
    else if (kind === kinds.uplinkDone) this.#uplinkDone(subject as NetworkHost)
    else if (kind === kinds.closed) this.#closed(subject as ConnectionEnd)
    else if (kind === kinds.dialArrived) this.#dialArrived(subject as DialRequest)
    else if (kind === kinds.dialAnswered) this.#dialAnswered(subject as ConnectionEnd)
    else this.#dialRefused(subject as ConnectionEnd)
  }

  /** Bytes of frames that are under way, counted frame by frame. */
  bytesUnderWay(): number {
    let bytes = 0
    for (const frame of this.#frames) if (frame.live) bytes += frame.size
    return bytes
  }

  /** Stops the program unless every byte sent is received, lost or under way. */
  checkConservation(): void {
    let sent = 0
    let received = 0
    let lost = 0
    for (const host of this.hosts) {
      sent += host.sentBytes
      received += host.receivedBytes
      lost += host.lostBytes
    }
    const underWay = this.bytesUnderWay()
    invariant(
      sent === received + lost + underWay,
      `network: ${sent} bytes sent, but ${received} received, ${lost} lost and ${underWay} under way`
    )
  }

  #transmit(
    from: ConnectionEnd,
    payload: unknown,
    size: number,
    tag: number,
    first: number,
    second: number,
    tellSent: boolean,
    last: boolean
  ): void {
    const kernel = this.#kernel
    const host = from.host
    host.sentBytes += size
    if (from.severed) {
      host.lostBytes += size
      this.breakConnection(from, "the link is cut")
      return
    }
    const frame = this.#freeFrames.pop() ?? this.#newFrame()
    frame.from = from
    frame.payload = payload
    frame.size = size
    frame.tag = tag
    frame.first = first
    frame.second = second
    frame.tellSent = tellSent
    frame.last = last
    frame.live = true
    from.underWay++
    const to = from.peer.host
    if (to === host) {
      this.#deliverAt(frame, kernel.now + loopbackLatency + size * loopbackCost)
    } else if (size > bulkThreshold) {
      from.lastBulk = frame
      host.links.enqueue(frame, kernel.now)
      if (host.links.current === undefined) this.#startUplink(host)
    } else {
      const left = host.links.sendControl(size, kernel.now)
      const behind = from.lastBulk
      if (behind === undefined) {
        this.#deliverAt(frame, left + from.latency + size * to.links.downlinkCost)
      } else if (behind.followers === undefined) {
        behind.followers = [frame]
      } else {
        behind.followers.push(frame)
      }
    }
  }

  #deliverAt(frame: Frame, instant: number): void {
    const from = frame.from
    const at = Math.max(from.lastArrival, Math.ceil(instant))
    from.lastArrival = at
    this.#kernel.schedule(at, this, kinds.arrived, from.peer.host.index, frame)
  }

  /** Puts the next frame of a live connection on the idle uplink. */
  #startUplink(host: NetworkHost): void {
    for (let frame = host.links.dequeue(); frame !== undefined; frame = host.links.dequeue()) {
      if (alive(frame.from)) {
        const left = host.links.start(frame)
        this.#kernel.schedule(Math.ceil(left), this, kinds.uplinkDone, host.index, host)
        return
      }
      this.#loseWithFollowers(frame)
    }
  }

  #uplinkDone(host: NetworkHost): void {
    const frame = host.links.current!
    const from = frame.from
    host.links.finish()
    this.#startUplink(host)
    if (!alive(from)) {
      this.#loseWithFollowers(frame)
      return
    }
    if (from.lastBulk === frame) from.lastBulk = undefined
    const first = frame.startedAt + from.latency
    const last = this.#kernel.now + from.latency
    this.#deliverAt(frame, from.peer.host.links.receiveBulk(frame.size, first, last))
    if (frame.tellSent) from.sink.sent(frame.payload)
  }

  #arrive(frame: Frame): void {
    const followers = frame.followers
    this.#arriveOne(frame)
    if (followers === undefined) return
    for (const follower of followers) this.#arriveOne(follower)
  }

  #arriveOne(frame: Frame): void {
    const from = frame.from
    const to = from.peer
    const { payload, size } = frame
    if (!alive(from) || !alive(to)) {
      this.#lose(frame)
      return
    }
    to.host.receivedBytes += size
    if (size <= bulkThreshold) to.host.links.receiveControl(size, this.#kernel.now)
    this.#kernel.trace.numbers(frame.tag, frame.first, frame.second, size)
    const { last, tellSent } = frame
    this.#release(frame)
    if (last) {
      this.#closeArrived(to)
      return
    }
    // Only frames that skipped the uplink are still to be told of.
    if (tellSent && (size <= bulkThreshold || to.host === from.host)) from.sink.sent(payload)
    to.sink.received(payload, size)
  }

  #closeArrived(to: ConnectionEnd): void {
    const kernel = this.#kernel
    const closer = to.peer
    to.state = "closed"
    to.host.ends.delete(to)
    kernel.schedule(kernel.now + to.latency, this, kinds.closed, closer.host.index, closer)
    to.sink.closed(closer.reason)
  }

  #closed(end: ConnectionEnd): void {
    if (end.state === "closed") return
    end.state = "closed"
    end.host.ends.delete(end)
    end.sink.closed(end.reason)
  }

  #dialArrived({ end, to, port }: DialRequest): void {
    const kernel = this.#kernel
    const at = kernel.now + this.#latency(to, end.host)
    const listener = to.on ? to.listeners.get(port) : undefined
    const answer = new ConnectionEnd(to, this.#latency(to, end.host))
    answer.peer = end
    const sink = listener?.(answer)
    if (sink === undefined) {
      end.reason = end.state === "connecting" ? `connection refused by ${to.name}:${port}` : end.reason
      kernel.schedule(at, this, kinds.dialRefused, end.host.index, end)
      return
    }
    answer.sink = sink
    answer.state = "open"
    answer.lastArrival = at
    answer.severed = !this.reaches(to, end.host)
    end.peer = answer
    end.severed = !this.reaches(end.host, to)
    to.ends.add(answer)
    kernel.schedule(at, this, kinds.dialAnswered, end.host.index, end)
    sink.opened()
  }

  #dialAnswered(end: ConnectionEnd): void {
    if (end.state !== "connecting") {
      this.#tellPeerOfReset(end, "the dialler is gone")
      return
    }
    end.state = "open"
    end.sink.opened()
  }

  #dialRefused(end: ConnectionEnd): void {
    if (end.state === "closed") return
    end.state = "closed"
    end.host.ends.delete(end)
    end.sink.refused(end.reason)
  }

  #tellPeerOfReset(end: ConnectionEnd, reason: string): void {
    const kernel = this.#kernel
    const peer = end.peer
    if (peer === undefined || (peer.state !== "open" && peer.state !== "closing")) return
    const delay = end.severed ? this.options.detectionDelay : end.latency
    kernel.schedule(kernel.now + delay, this, kinds.closed, peer.host.index, this.#because(peer, reason))
  }

  #because(end: ConnectionEnd, reason: string): ConnectionEnd {
    if (end.reason === "") end.reason = reason
    return end
  }

  #latency(from: NetworkHost, to: NetworkHost): Micros {
    if (from === to) return loopbackLatency
    const { latency } = this.options
    return typeof latency === "number" ? latency : latency(from.index, to.index)
  }

  #newFrame(): Frame {
    const frame = new Frame()
    this.#frames.push(frame)
    return frame
  }

  #loseWithFollowers(frame: Frame): void {
    const followers = frame.followers
    if (frame.from.lastBulk === frame) frame.from.lastBulk = undefined
    this.#lose(frame)
    if (followers !== undefined) for (const follower of followers) this.#lose(follower)
  }

  #lose(frame: Frame): void {
    frame.from.host.lostBytes += frame.size
    this.#release(frame)
  }

  #release(frame: Frame): void {
    frame.from.underWay--
    frame.payload = undefined
    frame.followers = undefined
    frame.live = false
    this.#freeFrames.push(frame)
  }
}

const alive = (end: ConnectionEnd): boolean => end.state === "open" || end.state === "closing"
