// The HTTP client of a host: undici, with connections that are kept alive and a maximum of them per remote host.
// Callers set their own timeouts, except for the connection itself.

import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Effect, Layer } from "effect"
import type { HttpClient } from "effect/http"
import { AskLimits } from "../../roles/client/limits.ts"
import { ListenerLimits } from "./limits.ts"

export const nodeHttpClient: Layer.Layer<HttpClient.HttpClient> = Layer.unwrap(
  Effect.gen(function* () {
    const { askTimeout } = yield* AskLimits
    const { maxHttpConnectionsPerHost, httpKeepAlive } = yield* ListenerLimits
    return NodeHttpClient.layerUndiciOptions({
      connections: maxHttpConnectionsPerHost,
      connectTimeout: askTimeout / 1000,
      // Shorter than our own servers keep a connection, so that a request seldom meets one that is being closed.
      keepAliveTimeout: httpKeepAlive / 2 / 1000,
      pipelining: 1
    })
  })
)
