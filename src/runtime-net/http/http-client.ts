// Decides how roles reach each other and the outside by HTTP: undici, with connections kept alive and a maximum of them
// a host. Timeouts are the caller's, except for the connection itself.

import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type { Layer } from "effect"
import type { HttpClient } from "effect/http"
import { limits } from "../../protocol/limits.ts"

export const nodeHttpClient: Layer.Layer<HttpClient.HttpClient> = NodeHttpClient.layerUndiciOptions({
  connections: limits.maxHttpConnectionsPerHost,
  connectTimeout: limits.askTimeout / 1000,
  // Below what our own servers keep, so that a request seldom meets a connection that is just being closed.
  keepAliveTimeout: limits.httpKeepAlive / 2 / 1000,
  pipelining: 1
})
