// Decides how one HTTP app is served on one address: bodies of any size and duration in both directions, a client that
// hangs up interrupts its request's fiber, a stop lets running requests end for a bounded time and then cuts them off.
// Whom it does not serve is http-refusals.ts's matter, and whom it no longer waits for slow-clients.ts's.
//
//   bound --scope closes--> draining --all ended, or stopDrain--> closed

import { createServer, type Server } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Data, Duration, Effect, type Scope } from "effect"
import { configLimits } from "../../roles/config/limits.ts"
import { listenerLimits } from "./limits.ts"
import { hostAndPort } from "../../roles/http/host-and-port.ts"
import type { HttpListener } from "../../roles/host-program.ts"
import { onEveryRequest } from "./http-exchanges.ts"
import { boundConnections, refuseMalformed } from "./http-refusals.ts"
import { cutSlowClients } from "./slow-clients.ts"

/** A listener could not be bound: the port is taken, or the address is not this machine's. */
export class ListenError extends Data.TaggedError("ListenError")<{
  readonly listener: string
  readonly host: string
  readonly port: number
  readonly message: string
}> {}

interface BoundListener {
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

const defaultPatience = { headers: configLimits.requestHeadersTimeout, body: configLimits.httpSilence }

const makeServer = (patience: NonNullable<HttpListener["patience"]>): Server => {
  const server = createServer({
    // A layer may take hours to arrive; what bounds it is slowness (slow-clients.ts).
    requestTimeout: 0,
    headersTimeout: patience.headers / 1000,
    // Late headers are noticed a tenth of their time late, at most.
    connectionsCheckingInterval: Math.min(listenerLimits.connectionCheck, patience.headers / 10) / 1000,
    keepAliveTimeout: listenerLimits.httpKeepAlive / 1000,
    // http-refusals.ts says it in the form of all other errors.
    requireHostHeader: false,
    maxHeaderSize: listenerLimits.maxRequestHeaderBytes,
    // A peer that vanished without a word is found out by the system's own probes.
    keepAlive: true,
    keepAliveInitialDelay: listenerLimits.httpKeepAlive / 1000,
    noDelay: true
  })
  // Their bytes bound them; a count would leave the last ones out unseen.
  server.maxHeadersCount = 0
  boundConnections(server, listenerLimits.maxHttpConnections, listenerLimits.maxHttpConnectionsPerClient)
  cutSlowClients(server, patience.body)
  return server
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
  const { name, listen, app, patience = defaultPatience } = listener
  const server = makeServer(patience)
  const wellFormed = refuseMalformed(server)
  const http = yield* NodeHttpServer.make(() => server, {
    host: listen.host,
    port: listen.port,
    gracefulShutdownTimeout: Duration.millis(listenerLimits.stopDrain / 1000)
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
  yield* http.serve(wellFormed(app))
  // Nothing here changes protocols: a request that offers to is a request like any other (RFC 9110, 7.8).
  server.removeAllListeners("upgrade")
  yield* closeIdleWhileDraining(server)
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : listen.port
  return { name, host: listen.host, port, url: `http://${hostAndPort(listen.host, port)}`, server }
})
