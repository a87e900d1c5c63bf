// Decides what a simulated connection is: two ends, each with the other's host at a known latency, reliable and in
// order until it breaks. Whoever uses one (peer transport, HTTP) is its `sink`.
//
//   connecting --accepted--> open --close--> closing --peer has all--> closed
//       |  refused / no answer  |--reset, peer's close--> closed
//       +--> closed             +--a frame was lost--> broken --detection--> closed
//
// Only `open` and `closing` ends send or receive; what is under way to or from any other is lost.

import type { Micros } from "../../protocol/kit/time.ts"
import type { Place } from "./fabric.ts"
import type { QueuedFrame } from "./links.ts"

export type EndState = "connecting" | "open" | "closing" | "broken" | "closed"

/** What a connection's user is told. Never called from inside a call of the network. */
export interface ConnectionSink {
  /** The dial succeeded. */
  readonly opened: () => void
  /** The dial failed; nothing more is told. */
  readonly refused: (reason: string) => void
  /** `size` bytes on the wire arrived, as the object that was sent. */
  readonly received: (payload: unknown, size: number) => void
  /** The oldest frame sent with `tellSent` of which this was not told has left this host. */
  readonly sent: (payload: unknown) => void
  /** The connection is gone, whoever ended it. Told once. */
  readonly closed: (reason: string) => void
}

/** A machine on the network, by number. */
export interface NetworkHost {
  readonly name: string
  readonly index: number
  readonly place: Place
  readonly listeners: Map<number, PortListener>
  readonly ends: Set<ConnectionEnd>
  /** A machine that is off answers nothing. */
  on: boolean
  /** Hosts of different groups do not reach each other. */
  group: number
  nextPort: number
}

/** Answers a dial: the sink of the new end, or undefined to refuse. */
export type PortListener = (end: ConnectionEnd) => ConnectionSink | undefined

export class ConnectionEnd {
  // What every frame touches comes first: it is one cache line.
  state: EndState = "connecting"
  /** Takes no frames any more, though it was not told yet: its peer is gone, and what was under way with it. */
  deaf = false
  sink!: ConnectionSink
  peer!: ConnectionEnd
  /** The host's number, at hand. */
  readonly hostIndex: number
  /** The number of the peer's host, or 0 before there is one: to send something, the peer is not looked at. */
  peerIndex = 0
  /** Frames from this end are lost on their way. */
  severed = false
  /** Nothing from this end arrives before this. */
  lastArrival: Micros = 0
  /** The frame that arrives at `lastArrival`, as long as that is to come. */
  lastFrame: Frame | undefined
  /** The newest bulk frame whose arrival is not known yet; later control frames travel behind it. */
  lastBulk: Frame | undefined
  readonly latency: Micros
  readonly host: NetworkHost
  /** Why it ended, or is about to. */
  reason = ""

  constructor(host: NetworkHost, latency: Micros) {
    this.host = host
    this.hostIndex = host.index
    this.latency = latency
  }
}

/** Whatever comes to this end is lost. */
export const isDead = (end: ConnectionEnd): boolean =>
  end.deaf || (end.state !== "open" && end.state !== "closing")

/** A frame on its way. Frames are used again after they have arrived. */
export class Frame implements QueuedFrame {
  /** The end that it goes to. */
  to!: ConnectionEnd
  payload: unknown
  size = 0
  /** What the trace keeps of it. */
  mark = 0
  /** Bits of frameFlags. */
  flags = 0
  nextQueued: Frame | undefined
  /** Control frames of the same connection that arrive together with this frame, right behind it, in order. */
  followers: Frame[] | undefined
  /** Of a control frame behind a bulk frame: when it could be whole at the other end by itself. */
  readyAt = 0
}

export const frameFlags = {
  /** On its way; not set on frames that wait to be used again. */
  live: 1,
  tellSent: 2,
  /** The sender has no more to say. */
  last: 4
} as const
