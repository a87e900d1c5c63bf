// Serves one HTTP app on one address. Bodies may have any size and duration in both directions. A client that hangs up
// interrupts the fiber of its request. When the listener stops, running requests may end within a bounded time and are
// then cut off. http-refusals.ts decides whom it does not serve, slow-clients.ts for whom it no longer waits.
//
//   bound --scope closes--> draining --all ended, or stopDrain--> closed

import { createServer, type Server } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Data, Duration, Effect, type Scope } from "effect"
import { configLimits } from "../../roles/config/limits.ts"
import type { HttpListener } from "../../roles/host-program.ts"
import { hostAndPort } from "../../roles/http/host-and-port.ts"
import { onEveryRequest } from "./http-exchanges.ts"
import { boundConnections, refuseMalformed } from "./http-refusals.ts"
import { ListenerLimits } from "./limits.ts"
import { cutSlowClients } from "./slow-clients.ts"

/** A listener could not be bound: the port is taken, or the address belongs to another machine. */
export class ListenError extends Data.TaggedError("ListenError")<{
  readonly listener: string
  readonly host: string
  readonly port: number
  readonly message: string
}> {}

interface BoundListener {
  readonly name: string
  readonly host: string
  /** The real port, also when the configuration says 0. */
  readonly port: number
  /** "http://host:port" */
  readonly url: string
}

export interface ServedListener extends BoundListener {
  readonly server: Server
}

const defaultPatience = { headers: configLimits.requestHeadersTimeout, body: configLimits.httpSilence }

const makeServer = (patience: NonNullable<HttpListener["patience"]>, limits: ListenerLimits): Server => {
  const server = createServer({
    // A layer may take hours to arrive; only slowness ends it (slow-clients.ts).
    requestTimeout: 0,
    headersTimeout: Math.ceil(patience.headers / 1000),
    // Late headers are noticed at most a tenth of their time late.
    connectionsCheckingInterval: Math.min(limits.connectionCheck, patience.headers / 10) / 1000,
    keepAliveTimeout: limits.httpKeepAlive / 1000,
    // http-refusals.ts answers in the form of all other errors.
    requireHostHeader: false,
    maxHeaderSize: limits.maxRequestHeaderBytes,
    // The system's own probes find a peer that vanished silently.
    keepAlive: true,
    keepAliveInitialDelay: limits.httpKeepAlive / 1000,
    noDelay: true
  })
  // Their bytes bound them; a limit on their number would drop the last ones silently.
  server.maxHeadersCount = 0
  boundConnections(server, limits.maxHttpConnections, limits.maxHttpConnectionsPerClient)
  cutSlowClients(server, patience.body, limits)
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

/** One line that says why `host`:`port` could not be bound, and what to do. */
export const whyNotBound = (name: string, host: string, port: number, cause: unknown): string => {
  const why = advice[codeOf(cause)] ?? (cause instanceof Error ? cause.message : String(cause))
  return `cannot listen for ${name} on ${hostAndPort(host, port)}: ${why}`
}

/** Closes a connection whose last request ends during the drain, which would otherwise be kept for the next request. */
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
  const limits = yield* ListenerLimits
  const server = makeServer(patience, limits)
  const wellFormed = refuseMalformed(server, limits)
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
  // Finalizers run in reverse order: note the drain, drain, cut what is left, wait until the server has closed.
  yield* Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
  yield* http.serve(wellFormed(app))
  // This listener changes no protocols: a request that offers an upgrade is a request like any other (RFC 9110, 7.8).
  server.removeAllListeners("upgrade")
  yield* closeIdleWhileDraining(server)
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : listen.port
  return { name, host: listen.host, port, url: `http://${hostAndPort(listen.host, port)}`, server }
})
