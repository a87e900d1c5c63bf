// Refuses what is not a request that a listener may answer: bytes that are not HTTP, shapes that two readers could
// understand differently (request-shape.ts), late headers, and more connections than the listener holds. The answer is
// an error in OCI's form, and the connection is closed, because the start of whatever follows on it cannot be trusted.

import type { IncomingMessage, Server } from "node:http"
import type { Socket } from "node:net"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Effect } from "effect"
import { HttpServerRequest } from "effect/http"
import { clientOf } from "../../roles/http/client-address.ts"
import { ociErrorResponse } from "../../roles/http/error-response.ts"
import type { HttpApp } from "../../roles/http/http-app.ts"
import { ociError, ociErrorText } from "../../roles/oci/oci-error.ts"
import { followExchanges } from "./http-exchanges.ts"
import type { ListenerLimits } from "./limits.ts"
import { type RequestShape, shapeProblem } from "./request-shape.ts"

/** Status line and reason for each code of the parser that is not a plain 400. */
const refusalsOf = ({
  maxRequestHeaderBytes
}: ListenerLimits): Record<string, readonly [status: string, message: string]> => ({
  HPE_HEADER_OVERFLOW: [
    "431 Request Header Fields Too Large",
    `the request's line and headers have more than ${maxRequestHeaderBytes} bytes`
  ],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ["413 Payload Too Large", "the chunk extensions are too long"],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "the request's headers did not arrive in time"]
})

const refusalBody = (message: string): string =>
  ociErrorText({ code: "REQUEST_INVALID", message, detail: null })

const refusalText = (status: string, message: string): string => {
  const body = refusalBody(message)
  const head = [
    `HTTP/1.1 ${status}`,
    "connection: close",
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`
  ]
  return `${head.join("\r\n")}\r\n\r\n${body}`
}

/**
 * Answers on the bare socket and closes it. Bytes that still arrive are dropped for a moment, so that the answer gets
 * through.
 */
const refuse = (socket: Socket, status: string, message: string, { refusalLinger }: ListenerLimits): void => {
  socket.end(refusalText(status, message))
  const linger = setTimeout(() => socket.destroy(), refusalLinger / 1000)
  socket.once("close", () => clearTimeout(linger))
  socket.on("error", () => socket.destroy())
}

/**
 * Refuses malformed requests on this server, and returns the app as well-formed requests reach it. A refused connection
 * is never trusted again: requests behind the refused one reach nobody.
 */
export const refuseMalformed = (server: Server, limits: ListenerLimits): ((app: HttpApp) => HttpApp) => {
  const refused = new WeakSet<Socket>()
  refuseBrokenRequests(server, refused, limits)
  server.on("connect", (_request, socket) =>
    refuse(
      socket as Socket,
      "405 Method Not Allowed",
      "CONNECT is not possible: this is no forward proxy",
      limits
    )
  )
  server.on("checkExpectation", (request, response) => {
    refused.add(request.socket)
    response.writeHead(417, { connection: "close", "content-type": "application/json" })
    response.end(refusalBody("the only expectation known here is 100-continue"))
  })
  return (app) =>
    Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const incoming = NodeHttpServerRequest.toIncomingMessage(request) as IncomingMessage
      const problem = refused.has(incoming.socket)
        ? "what came before it on this connection was refused"
        : shapeProblem(incoming as RequestShape, limits.maxRequestHeaders)
      if (problem === undefined) return yield* app
      refused.add(incoming.socket)
      return ociErrorResponse(
        ociError("REQUEST_INVALID", {
          message: `the request is malformed: ${problem}`,
          headers: { connection: "close" }
        })
      )
    })
}

/** Answers bytes that Node's parser could not read. */
const refuseBrokenRequests = (server: Server, refused: WeakSet<Socket>, limits: ListenerLimits): void => {
  const refusals = refusalsOf(limits)
  const exchangeOf = followExchanges(server)
  server.on("clientError", (error: NodeJS.ErrnoException, stream) => {
    const socket = stream as Socket
    const exchange = exchangeOf(socket)
    const answering = exchange !== undefined && !exchange.response.writableFinished
    const bodyBroke = answering && !exchange.request.complete
    if (!socket.writable || error.code === "ECONNRESET" || (bodyBroke && exchange.response.headersSent)) {
      socket.destroy()
      return
    }
    // Further bytes cause further errors.
    if (refused.has(socket)) return
    refused.add(socket)
    const [status, message] = refusals[error.code ?? ""] ?? [
      "400 Bad Request",
      `the request is malformed: ${String((error as { readonly reason?: unknown }).reason ?? error.message).slice(0, 200)}`
    ]
    // The broken request is the next one: the answer to the one before it goes first.
    if (answering && !bodyBroke)
      exchange.response.once("finish", () => refuse(socket, status, message, limits))
    else refuse(socket, status, message, limits)
  })
}

/** Holds at most `most` connections, and `mostPerClient` of one client. Further ones are closed at once. */
export const boundConnections = (server: Server, most: number, mostPerClient: number): void => {
  server.maxConnections = most
  const held = new Map<string, number>()
  server.on("connection", (socket: Socket) => {
    const client = clientOf(socket.remoteAddress ?? "unknown")
    const count = (held.get(client) ?? 0) + 1
    held.set(client, count)
    socket.once("close", () => {
      const left = held.get(client)! - 1
      if (left === 0) held.delete(client)
      else held.set(client, left)
    })
    if (count > mostPerClient) socket.destroy()
  })
}
