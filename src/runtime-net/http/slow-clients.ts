// Decides how a listener notices clients that keep it waiting, and cuts them: by silence, and by looking at what moves
// (client-patience.ts). A client is waited for when its request's body is wanted and does not come, or when bytes of
// the response wait for it to read. A handler that works, or that slows an upload on purpose, is not waited for.

import type { Server } from "node:http"
import type { Socket } from "node:net"
import { listenerLimits } from "./limits.ts"
import type { Micros } from "../../protocol/kit/time.ts"
import { ClientPatience } from "./client-patience.ts"
import { type Exchange, followExchanges } from "./http-exchanges.ts"

/** Node's own handle of a socket: only it knows how much the system has taken of what was written. */
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

/** Cuts connections whose clients kept an exchange waiting for `patience`. */
export const cutSlowClients = (server: Server, patience: Micros): void => {
  const exchangeOf = followExchanges(server)
  const watched = new Map<Socket, ClientPatience>()
  server.on("connection", (socket: Socket) => {
    watched.set(socket, new ClientPatience(listenerLimits.slowClientLooks, listenerLimits.minClientBytes))
    socket.once("close", () => watched.delete(socket))
  })
  server.timeout = patience / 1000
  server.on("timeout", (socket) => {
    const exchange = exchangeOf(socket)
    // Between two exchanges the keep-alive timeout holds, before the first one that of the headers.
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
    patience / 1000 / listenerLimits.slowClientLooks
  )
  looking.unref()
  server.once("close", () => clearInterval(looking))
}
