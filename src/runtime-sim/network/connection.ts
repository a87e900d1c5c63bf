// A simulated connection: two ends, each with a known latency to the other, reliable and in order until the
// connection breaks. Its user (peer transport, HTTP) is the `sink` of an end.
//
//   connecting --accepted--> open --close--> closing --peer has all--> closed
//       |  refused / no answer  |--reset, peer's close--> closed
//       +--> closed             +--a frame was lost--> broken --detection--> closed
//
// Only `open` and `closing` ends send or receive. Frames that travel to or from any other end are lost.

import type { Micros } from "../../protocol/kit/time.ts"
import type { Place } from "./fabric.ts"
import type { QueuedFrame } from "./links.ts"

export type EndState = "connecting" | "open" | "closing" | "broken" | "closed"

/** The user of a connection. Its methods are never called from inside a call of the network. */
export interface ConnectionSink {
  /** The dial succeeded. */
  readonly opened: () => void
  /** The dial failed. No other call follows. */
  readonly refused: (reason: string) => void
  /** A frame of `size` bytes arrived; the payload is the object that was sent. */
  readonly received: (payload: unknown, size: number) => void
  /**
   * The oldest frame that was sent with `reportSent` and not yet reported has left this host, or is in the buffer of
   * its socket.
   */
  readonly sent: (payload: unknown) => void
  /** The connection is gone, whichever end closed it. Called once. */
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

/** Answers a dial: returns the sink of the new end, or undefined to refuse. */
export type PortListener = (end: ConnectionEnd) => ConnectionSink | undefined

/** The bulk frames that one end sent through a buffered socket (socket-buffers.ts). */
export interface SendBuffer {
  /** Bytes since the start. */
  queued: number
  left: number
  /** The frames that are to be reported: their payloads, and `queued` at their ends. */
  readonly waiting: Array<{ readonly payload: unknown; readonly end: number }>
  isTaking: boolean
}

export class ConnectionEnd {
  // The fields that every frame touches come first, in one cache line.
  state: EndState = "connecting"
  /**
   * The end accepts no more frames although its sink does not know yet: the peer is gone, with everything in flight.
   */
  deaf = false
  sink!: ConnectionSink
  peer!: ConnectionEnd
  /** The host's number, kept here to save a look at the host. */
  readonly hostIndex: number
  /** The number of the peer's host, or 0 before there is one. Sending therefore does not touch the peer. */
  peerIndex = 0
  /** Frames from this end are lost in flight. */
  severed = false
  /** Nothing from this end arrives before this instant. */
  lastArrival: Micros = 0
  /** The frame that arrives at `lastArrival`, until it has arrived. */
  lastFrame: Frame | undefined
  /** The newest bulk frame whose arrival is not known yet. Control frames travel behind it unless they may overtake. */
  lastBulk: Frame | undefined
  /** The bulk frame behind which a control frame travels. Until it has left, no later control frame overtakes. */
  lastInOrder: Frame | undefined
  /** Absent before the first bulk frame, and where sockets have no buffers. */
  sendBuffer: SendBuffer | undefined
  /** Number of the flow of its bulk frames under the fair models, or 0. */
  flow = 0
  readonly latency: Micros
  readonly host: NetworkHost
  /** Reason of the end, or of the end that is about to come. */
  reason = ""

  constructor(host: NetworkHost, latency: Micros) {
    this.host = host
    this.hostIndex = host.index
    this.latency = latency
  }
}

/** Whether everything that arrives at this end is lost. */
export const isDead = (end: ConnectionEnd): boolean =>
  end.deaf || (end.state !== "open" && end.state !== "closing")

/** A frame in flight. Frames are pooled and reused after their arrival. */
export class Frame implements QueuedFrame {
  /** The end that receives it. */
  to!: ConnectionEnd
  payload: unknown
  size = 0
  /** Stands for the content in the trace. */
  mark = 0
  /** Bits of frameFlags. */
  flags = 0
  nextQueued: Frame | undefined
  /** Control frames of the same connection that arrive together with this frame, directly behind it, in order. */
  followers: Frame[] | undefined
  /** The instant at which a control frame behind a bulk frame could be whole at the other end by itself. */
  readyAt = 0
}

export const frameFlags = {
  /** The frame is in flight. Pooled frames do not have this flag. */
  live: 1,
  reportSent: 2,
  /** The last frame of the sender. */
  last: 4,
  /** A control frame that has a lane of its own: it does not wait for the bulk before it. */
  overtakes: 8
} as const
