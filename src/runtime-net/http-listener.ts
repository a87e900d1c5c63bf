// Decides how one HTTP app is served on one address: bodies of any size and duration in both directions, a client that
// hangs up interrupts its request's fiber, a stop lets running requests end for a bounded time and then cuts them off.
//
//   bound --scope closes--> draining --all ended, or stopDrain--> closed

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { Socket } from "node:net"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Data, Duration, Effect, type Scope } from "effect"
import { limits } from "../protocol/limits.ts"
import type { HttpListener } from "../roles/host-program.ts"

/** A listener could not be bound: the port is taken, or the address is not this machine's. */
export class ListenError extends Data.TaggedError("ListenError")<{
  readonly listener: string
  readonly host: string
  readonly port: number
  readonly message: string
}> {}

export interface BoundListener {
  readonly name: string
  readonly host: string
  /** The real port, also when 0 was asked for. */
  readonly port: number
  /** "http://host:port" */
  readonly url: string
}

export interface ServedListener extends BoundListener {
  readonly server: Server
}

const makeServer = (): Server => {
  const server = createServer({
    // A layer may take hours to arrive; what bounds it is silence, below.
    requestTimeout: 0,
    headersTimeout: limits.requestHeadersTimeout / 1000,
    keepAliveTimeout: limits.httpKeepAlive / 1000,
    maxHeaderSize: limits.maxRequestHeaderBytes,
    noDelay: true
  })
  server.timeout = limits.httpSilence / 1000
  cutSilentExchanges(server)
  return server
}

/**
 * A silent connection is cut when its client stopped in the middle of a body, sent or received; not while a handler
 * works on an answer, which may take long (a commit hashes and copies the blob).
 */
const cutSilentExchanges = (server: Server): void => {
  const current = new WeakMap<Socket, { request: IncomingMessage; response: ServerResponse }>()
  onEveryRequest(server, (request, response) => current.set(request.socket, { request, response }))
  server.on("timeout", (socket) => {
    const exchange = current.get(socket)
    const working = exchange?.request.complete === true && !exchange.response.headersSent
    if (!working) socket.destroy()
  })
}

/** Requests come as one of two events: with or without a client that waits for "100 Continue". */
const onEveryRequest = (
  server: Server,
  listener: (request: IncomingMessage, response: ServerResponse) => void
): void => {
  server.on("request", listener)
  server.on("checkContinue", listener)
}

const advice: Record<string, string> = {
  EADDRINUSE: "the port is taken: stop what listens there or choose another port",
  EACCES: "not allowed: ports below 1024 need more rights, choose a higher one",
  EADDRNOTAVAIL: "this machine has no such address",
  ENOTFOUND: "the host name is unknown"
}

const codeOf = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : ""

/** One line of why nothing could be bound at `host`:`port`, and what to do. */
export const whyNotBound = (name: string, host: string, port: number, cause: unknown): string => {
  const why = advice[codeOf(cause)] ?? (cause instanceof Error ? cause.message : String(cause))
  return `cannot listen for ${name} on ${hostAndPort(host, port)}: ${why}`
}

export const hostAndPort = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

/** A connection whose last request ends during the drain would be kept for the next one: it is closed instead. */
const closeIdleWhileDraining = (server: Server): Effect.Effect<void, never, Scope.Scope> =>
  Effect.suspend(() => {
    let draining = false
    onEveryRequest(server, (_request, response) => {
      response.once("close", () => {
        if (draining) setImmediate(() => server.closeIdleConnections())
      })
    })
    return Effect.addFinalizer(() =>
      Effect.sync(() => {
        draining = true
      })
    )
  })

/** Binds and serves until the scope closes. */
export const serveListener = Effect.fnUntraced(function* (
  listener: HttpListener
): Effect.fn.Return<ServedListener, ListenError, Scope.Scope> {
  const { name, listen, app } = listener
  const server = makeServer()
  const http = yield* NodeHttpServer.make(() => server, {
    host: listen.host,
    port: listen.port,
    gracefulShutdownTimeout: Duration.millis(limits.stopDrain / 1000)
  }).pipe(
    Effect.mapError(
      (error) =>
        new ListenError({
          listener: name,
          host: listen.host,
          port: listen.port,
          message: whyNotBound(name, listen.host, listen.port, error.cause)
        })
    )
  )
  // Finalizers run last to first: note the drain, drain, cut what is left, wait for the server to be closed.
  yield* Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
  yield* http.serve(app)
  yield* closeIdleWhileDraining(server)
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : listen.port
  return { name, host: listen.host, port, url: `http://${hostAndPort(listen.host, port)}`, server }
})
