// The two lanes of a connection between peers, each a socket: messages go on one and pieces on the other, so that a
// request does not wait behind the megabytes that were written before it. Messages are WebSocket frames (ws-lane.ts),
// pieces have frames of their own (piece-lane.ts). A peer that opens a single WebSocket, as a simple client may, uses
// it for both.
//
// The dialler draws an id for the connection and opens both sockets with it in the query of the upgrade; the listener
// matches them (lane-pairs.ts).

import { randomBytes } from "node:crypto"
import type { Micros } from "../../protocol/kit/time.ts"
import type { Message } from "../../protocol/wire/message.ts"

export const laneNames = ["messages", "pieces"] as const

export type LaneName = (typeof laneNames)[number]

/** The token of the upgrade of each lane (RFC 9110, 7.8). */
export const laneUpgrade: Record<LaneName, string> = { messages: "websocket", pieces: "shoal-pieces" }

/** The lanes of one connection. Both are the same one when the peer has a single socket. */
export interface Lanes {
  readonly messages: Lane
  readonly pieces: Lane
}

export type PieceMessage = Message & { readonly tag: "Piece" }

/** What a lane tells. Nothing is told from inside a call of the lane. */
export interface LaneEvents {
  readonly received: (frame: Uint8Array, isBinary: boolean) => void
  /** The peer sent what the protocol does not have. */
  readonly broken: (reason: string) => void
  readonly failed: (reason: string) => void
  /** Everything that was written has left. */
  readonly drained: () => void
  /** Told last. In order, if the peer closed the lane as it should and did not vanish. */
  readonly closed: (inOrder: boolean) => void
}

/** An open socket. It is not read before `resume`. */
export interface Lane {
  readonly isOpen: boolean
  readonly isPaused: boolean
  readonly bufferedBytes: number
  /** Tells these events from now on, instead of those before. */
  readonly listen: (events: Partial<LaneEvents>) => void
  readonly pause: () => void
  readonly resume: () => void
  readonly send: (message: Uint8Array) => void
  /** Releases the payload once it has left, and then calls `sent`; does neither if it does not leave. */
  readonly sendPiece: (message: PieceMessage, sent: () => void) => void
  /** For how long nothing has come. A side that does not read hears nothing; the peer's pings wait in the kernel. */
  readonly silence: (now: Micros) => Micros
  /** Keeps the peer from counting this side as dead. Bytes in the buffer tell it as much. */
  readonly ping: () => void
  /** Closes it in order once everything that was written is out. */
  readonly close: (how: "done" | "protocol error", reason: string) => void
  /** Cuts it. */
  readonly terminate: () => void
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
