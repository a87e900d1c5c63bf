// Decides how the parts of a listener follow its exchanges: every request, and which one a connection is at.

import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** Requests come as one of two events: with or without a client that waits for "100 Continue". */
export const onEveryRequest = (
  server: Server,
  listener: (request: IncomingMessage, response: ServerResponse) => void
): void => {
  server.on("request", listener)
  server.on("checkContinue", listener)
}

/** The last exchange of each connection; undefined before the first. */
export const followExchanges = (server: Server): ((socket: Duplex) => Exchange | undefined) => {
  const current = new WeakMap<Duplex, Exchange>()
  onEveryRequest(server, (request, response) => current.set(request.socket, { request, response }))
  return (socket) => current.get(socket)
}
