// Dials one lane of a connection: the HTTP upgrade to a WebSocket or to the frames of pieces, within handshakeTimeout.
//
//   dialling --answered by the upgrade--> opened        dialling --anything else, or given up--> failed
//
// Invariant: one of both is told, once, and never from inside the call. A lane is not read when it is opened.

import { request } from "node:http"
import { Socket } from "node:net"
import { WebSocket } from "ws"
import { limits as protocolLimits } from "../../protocol/limits.ts"
import { type Lane, type LaneName, laneUpgrade } from "./lane.ts"
import type { SocketLimits } from "./limits.ts"
import { PieceLane } from "./piece-lane.ts"
import { WsLane, webSocketOptions } from "./ws-lane.ts"

/** A lane that is being dialled. */
export interface LaneDial {
  /** Gives the dial up. */
  readonly terminate: () => void
}

export interface LaneDialEvents {
  readonly opened: (lane: Lane) => void
  readonly failed: (error: Error) => void
}

/** `target` is an address with the path and the query of the lane. Throws if it is none. */
export const dialLane = (
  name: LaneName,
  target: string,
  limits: SocketLimits,
  events: LaneDialEvents
): LaneDial => {
  let isOver = false
  let late: NodeJS.Timeout | undefined
  const once =
    <A>(tell: (what: A) => void) =>
    (what: A): void => {
      if (isOver) return
      isOver = true
      clearTimeout(late)
      tell(what)
    }
  const told = { opened: once(events.opened), failed: once(events.failed) }
  const dial = name === "messages" ? dialMessages(target, limits, told) : dialPieces(target, told)
  // Timeouts of requests and of ws count silence only, and one that answers a little now and then is never silent.
  late = setTimeout(() => {
    told.failed(new Error("the handshake took too long"))
    dial.terminate()
  }, protocolLimits.handshakeTimeout / 1000)
  return dial
}

const closedEarly = "closed before it opened"

const dialMessages = (target: string, limits: SocketLimits, events: LaneDialEvents): LaneDial => {
  const socket = new WebSocket(`ws://${target}`, {
    ...webSocketOptions(limits),
    generateMask: (mask) => void mask.fill(0)
  })
  let tcp: Socket | undefined
  socket.once("upgrade", (response) => {
    tcp = response.socket
  })
  socket.on("error", events.failed)
  socket.once("close", () => events.failed(new Error(closedEarly)))
  socket.once("open", () => events.opened(new WsLane(socket, tcp!)))
  return socket
}

const dialPieces = (target: string, events: LaneDialEvents): LaneDial => {
  const { hostname, port, pathname, search } = new URL(`http://${target}`)
  const asked = request({
    // An IPv6 address stands in brackets in a URL.
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port,
    path: pathname + search,
    headers: { connection: "Upgrade", upgrade: laneUpgrade.pieces },
    agent: false
  })
  asked.on("error", events.failed)
  asked.on("response", (response) => asked.destroy(new Error(`answered ${response.statusCode}`)))
  asked.on("close", () => events.failed(new Error(closedEarly)))
  asked.on("upgrade", (response, tcp, early) => {
    if (response.headers.upgrade !== laneUpgrade.pieces || !(tcp instanceof Socket) || tcp.destroyed) {
      asked.destroy(new Error("answered by another protocol"))
      return
    }
    events.opened(new PieceLane(tcp, early))
  })
  asked.end()
  return { terminate: () => asked.destroy(new Error("given up")) }
}
