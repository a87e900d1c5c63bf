// How connections begin and end: they are dialled by name and port, accepted by a listener, closed after the last
// sent frame, reset at once, or broken by a loss that both ends notice later. connection.ts draws the states of an
// end.
//
// Invariants: a sink is called from events only, and its `closed` is called once; nothing is delivered after it.

import type { Micros } from "../../protocol/kit/time.ts"
import type { EventTarget } from "../kernel/event-queue.ts"
import { eventKinds, type Kernel } from "../kernel/kernel.ts"
import {
  ConnectionEnd,
  type ConnectionSink,
  frameFlags,
  type NetworkHost,
  type PortListener
} from "./connection.ts"
import { type LatencyByDistance, latencyBetween, type Place } from "./fabric.ts"
import type { LinkRates } from "./links.ts"
import { type CarriageOptions, loopbackLatency, Network } from "./network.ts"

export interface NetworkOptions extends LinkRates, CarriageOptions {
  /**
   * One-way latency: one value for all hosts, by the places of two hosts, or by their numbers. It must depend on
   * nothing else.
   */
  readonly latency: Micros | LatencyByDistance | ((from: number, to: number) => Micros)
  /** Time after which the dial of a host that does not answer fails. */
  readonly connectTimeout: Micros
  /** Time after which both ends notice that a frame was lost. */
  readonly detectionDelay: Micros
}

const kinds = {
  dialArrived: eventKinds.network + 2,
  dialAnswered: eventKinds.network + 3,
  dialRefused: eventKinds.network + 4,
  closed: eventKinds.network + 5
} as const

const closeFrameBytes = 8

interface DialRequest {
  readonly end: ConnectionEnd
  readonly to: NetworkHost
  readonly port: number
}

export class Connections implements EventTarget {
  readonly network: Network
  readonly options: NetworkOptions
  readonly #kernel: Kernel
  /** Numbers HTTP exchanges for the trace. */
  nextExchange = 1
  /** Set by faults.ts: whether frames from one host reach the other. */
  reaches: (from: NetworkHost, to: NetworkHost) => boolean = () => true

  constructor(kernel: Kernel, options: NetworkOptions) {
    this.#kernel = kernel
    this.options = options
    const lifecycle = {
      closeArrived: (end: ConnectionEnd) => this.#closeArrived(end),
      lost: (end: ConnectionEnd) => this.breakConnection(end, "the link is cut")
    }
    this.network = new Network(kernel, lifecycle, options)
  }

  /** The host with this name, made at its first use. */
  host(name: string, rates: LinkRates = this.options, place?: Place): NetworkHost {
    return this.network.host(name, rates, place)
  }

  /** Opens a port; 0 takes a free one. Returns the port, or undefined when it is in use. */
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

  /** Dials. The sink's `opened` or `refused` follows. */
  dial(from: NetworkHost, toName: string, port: number, sink: ConnectionSink): ConnectionEnd {
    const kernel = this.#kernel
    const to = this.network.find(toName)
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
   * Sends `payload` as `size` bytes. `mark` stands for its content in the trace. An end that is not open sends
   * nothing. `flags` are those of frameFlags.
   */
  send(from: ConnectionEnd, payload: unknown, size: number, mark: number, flags: number): void {
    if (from.state === "open") this.network.transmit(from, payload, size, mark, flags)
  }

  /**
   * Closes a connection after the frames that were already sent. The own sink's `closed` follows when the other end
   * has all.
   */
  close(end: ConnectionEnd, reason: string): void {
    if (end.state !== "open") return
    end.reason = reason
    this.network.transmit(end, undefined, closeFrameBytes, 0, frameFlags.last)
    if (end.state === "open") end.state = "closing"
  }

  /** Ends a connection at once. Frames in flight are lost, and both sinks are told. */
  reset(end: ConnectionEnd, reason: string): void {
    if (end.state === "closed" || end.state === "broken") return
    const kernel = this.#kernel
    const connecting = end.state === "connecting"
    end.state = "broken"
    end.reason = reason
    if (!connecting) this.network.ended(end)
    kernel.schedule(kernel.now, this, connecting ? kinds.dialRefused : kinds.closed, end.hostIndex, end)
    if (!connecting) this.#tellPeerOfReset(end, reason)
  }

  /** The process of these ends died: its ends vanish without a call to their sinks, and the other ends are reset. */
  abandon(end: ConnectionEnd, reason: string): void {
    if (end.state === "closed") return
    const connecting = end.state === "connecting"
    end.state = "closed"
    end.host.ends.delete(end)
    if (connecting) return
    this.network.ended(end)
    this.#tellPeerOfReset(end, reason)
  }

  /** A frame was lost: both ends notice after the detection delay, and nothing passes until then. */
  breakConnection(end: ConnectionEnd, reason: string): void {
    const kernel = this.#kernel
    const at = kernel.now + this.options.detectionDelay
    for (const side of [end, end.peer]) {
      if (side.state !== "open" && side.state !== "closing") continue
      side.state = "broken"
      this.network.ended(side)
      kernel.schedule(at, this, kinds.closed, side.hostIndex, withReason(side, reason))
    }
  }

  fire(kind: number, subject: unknown): void {
    if (kind === kinds.closed) this.#closed(subject as ConnectionEnd)
    else if (kind === kinds.dialArrived) this.#dialArrived(subject as DialRequest)
    else if (kind === kinds.dialAnswered) this.#dialAnswered(subject as ConnectionEnd)
    else this.#dialRefused(subject as ConnectionEnd)
  }

  #closeArrived(to: ConnectionEnd): void {
    const kernel = this.#kernel
    const closer = to.peer
    to.state = "closed"
    to.host.ends.delete(to)
    this.network.ended(to)
    kernel.schedule(kernel.now + to.latency, this, kinds.closed, closer.hostIndex, closer)
    to.sink.closed(closer.reason)
  }

  #closed(end: ConnectionEnd): void {
    if (end.state === "closed") return
    end.state = "closed"
    this.network.ended(end)
    if (end.peer !== undefined) {
      end.peer.deaf = true
      this.network.ended(end.peer)
    }
    end.host.ends.delete(end)
    end.sink.closed(end.reason)
  }

  #dialArrived({ end, to, port }: DialRequest): void {
    const kernel = this.#kernel
    const latency = this.#latency(to, end.host)
    const at = kernel.now + latency
    const listener = to.on ? to.listeners.get(port) : undefined
    const answer = new ConnectionEnd(to, latency)
    answer.peer = end
    answer.peerIndex = end.hostIndex
    const sink = listener?.(answer)
    if (sink === undefined) {
      if (end.state === "connecting") end.reason = `connection refused by ${to.name}:${port}`
      kernel.schedule(at, this, kinds.dialRefused, end.hostIndex, end)
      return
    }
    answer.sink = sink
    answer.state = "open"
    answer.lastArrival = at
    answer.severed = !this.reaches(to, end.host)
    end.peer = answer
    end.peerIndex = answer.hostIndex
    end.severed = !this.reaches(end.host, to)
    to.ends.add(answer)
    kernel.schedule(at, this, kinds.dialAnswered, end.hostIndex, end)
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

  /** Frames of this end are lost from now on, and the peer learns the reason. */
  #tellPeerOfReset(end: ConnectionEnd, reason: string): void {
    const kernel = this.#kernel
    const { peer } = end
    if (peer === undefined) return
    peer.deaf = true
    this.network.ended(peer)
    if (peer.state !== "open" && peer.state !== "closing") return
    const delay = end.severed ? this.options.detectionDelay : end.latency
    kernel.schedule(kernel.now + delay, this, kinds.closed, peer.hostIndex, withReason(peer, reason))
  }

  #latency(from: NetworkHost, to: NetworkHost): Micros {
    if (from === to) return loopbackLatency
    const { latency } = this.options
    if (typeof latency === "number") return latency
    return typeof latency === "function"
      ? latency(from.index, to.index)
      : latencyBetween(latency, from.place, to.place)
  }
}

/** Returns the end, with the reason if it has none yet. */
const withReason = (end: ConnectionEnd, reason: string): ConnectionEnd => {
  if (end.reason === "") end.reason = reason
  return end
}
