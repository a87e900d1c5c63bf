// The exchanges of a listener: its parts subscribe here to every request, and ask which exchange a connection is at.

import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** A request is one of two events: its client waits for "100 Continue" or does not. */
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
