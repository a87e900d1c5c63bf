// The two lanes of a connection between peers, each a socket: messages go on one and pieces on the other, so that a
// request does not wait behind the megabytes that were written before it. A peer that opens a single socket, as a
// simple client may, uses it for both.
//
// The dialler draws an id for the connection and opens both sockets with it in the query of the upgrade; the listener
// matches them (lane-pairs.ts).

import { randomBytes } from "node:crypto"
import type { Socket } from "node:net"
import { WebSocket } from "ws"
import type { Micros } from "../../protocol/kit/time.ts"
import { monotonicNow } from "../platform/node-timers.ts"

export const laneNames = ["messages", "pieces"] as const

export type LaneName = (typeof laneNames)[number]

/** The lanes of one connection. Both are the same one when the peer has a single socket. */
export interface Lanes {
  readonly messages: Lane
  readonly pieces: Lane
}

const idBytes = 16
const isId = (text: string | null): text is string =>
  text !== null && text.length === 2 * idBytes && /^[0-9a-f]+$/.test(text)

/** An id that nobody can guess, so that no stranger joins a connection. */
export const newConnectionId = (): string => randomBytes(idBytes).toString("hex")

/** The query of the upgrade for a lane of connection `id`. */
export const laneQuery = (id: string, lane: LaneName): string => `?connection=${id}&lane=${lane}`

/** What the target of an upgrade asks for: a lane, a connection of a single socket, or nothing that there is. */
export const laneOf = (
  target: string
): { readonly id: string; readonly lane: LaneName } | "single" | "malformed" => {
  const start = target.indexOf("?")
  if (start < 0) return "single"
  const query = new URLSearchParams(target.slice(start + 1))
  const id = query.get("connection")
  const lane = laneNames.find((name) => name === query.get("lane"))
  return isId(id) && lane !== undefined ? { id, lane } : "malformed"
}

export class Lane {
  readonly socket: WebSocket
  readonly tcp: Socket
  #bytesHeard: number
  #heardAt: Micros

  /** `tcp` is the connection under the open `socket`. */
  constructor(socket: WebSocket, tcp: Socket) {
    this.socket = socket
    this.tcp = tcp
    this.#bytesHeard = tcp.bytesRead
    this.#heardAt = monotonicNow()
  }

  get isOpen(): boolean {
    return this.socket.readyState === WebSocket.OPEN
  }

  /** For how long nothing has come. A side that does not read hears nothing; the peer's pings wait in the kernel. */
  silence(now: Micros): Micros {
    if (this.tcp.bytesRead !== this.#bytesHeard || this.socket.isPaused) {
      this.#bytesHeard = this.tcp.bytesRead
      this.#heardAt = now
    }
    return now - this.#heardAt
  }

  /** Keeps the peer from counting this side as dead. Bytes in the buffer tell it as much. */
  ping(): void {
    if (this.isOpen && this.socket.bufferedAmount === 0) this.socket.ping()
  }
}
