// Cuts clients that keep a listener waiting: by silence, and by how many bytes move (client-patience.ts). An exchange
// waits for its client when the body of the request is wanted and does not arrive, or when bytes of the response are
// not read. A handler that is busy, or that slows an upload on purpose, is not a reason to cut.

import type { Server } from "node:http"
import type { Socket } from "node:net"
import type { Micros } from "../../protocol/kit/time.ts"
import { ClientPatience } from "./client-patience.ts"
import { type Exchange, followExchanges } from "./http-exchanges.ts"
import type { ListenerLimits } from "./limits.ts"

/** Node's own handle of a socket, which alone knows how many of the written bytes the system has taken. */
interface SocketHandle {
  readonly bytesWritten: number
  readonly writeQueueSize: number
}

const handleOf = (socket: Socket): SocketHandle | undefined =>
  (socket as unknown as { readonly _handle?: SocketHandle | null })._handle ?? undefined

const movedBy = (socket: Socket): number => {
  const handle = handleOf(socket)
  const sent = handle === undefined ? socket.bytesWritten : handle.bytesWritten - handle.writeQueueSize
  return socket.bytesRead + sent
}

const isWaitedFor = (socket: Socket, { request, response }: Exchange): boolean => {
  if (socket.writableLength > 0) return true
  const bodyWanted = !request.complete && request.readableLength < request.readableHighWaterMark
  return bodyWanted && !response.writableEnded
}

/** Cuts connections whose clients keep an exchange waiting for longer than `patience`. */
export const cutSlowClients = (server: Server, patience: Micros, limits: ListenerLimits): void => {
  const exchangeOf = followExchanges(server)
  const watched = new Map<Socket, ClientPatience>()
  server.on("connection", (socket: Socket) => {
    watched.set(socket, new ClientPatience(limits.slowClientLooks, limits.minClientBytes))
    socket.once("close", () => watched.delete(socket))
  })
  server.timeout = Math.ceil(patience / 1000)
  server.on("timeout", (socket) => {
    const exchange = exchangeOf(socket)
    // Between two exchanges the keep-alive timeout applies, before the first one the timeout of the headers.
    const working = exchange !== undefined && !exchange.response.writableFinished
    if (!working || isWaitedFor(socket, exchange)) socket.destroy()
  })
  const looking = setInterval(
    () => {
      for (const [socket, clientPatience] of watched) {
        const exchange = exchangeOf(socket)
        const waiting = exchange !== undefined && isWaitedFor(socket, exchange)
        if (clientPatience.look({ moved: movedBy(socket), waiting })) socket.destroy()
      }
    },
    patience / 1000 / limits.slowClientLooks
  )
  looking.unref()
  server.once("close", () => clearInterval(looking))
}
