// Decides how roles reach each other and the outside by HTTP: undici, with connections kept alive and a maximum of them
// a host. Timeouts are the caller's, except for the connection itself.

import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type { Layer } from "effect"
import type { HttpClient } from "effect/http"
import { askLimits } from "../../roles/client/limits.ts"
import { listenerLimits } from "./limits.ts"

export const nodeHttpClient: Layer.Layer<HttpClient.HttpClient> = NodeHttpClient.layerUndiciOptions({
  connections: listenerLimits.maxHttpConnectionsPerHost,
  connectTimeout: askLimits.askTimeout / 1000,
  // Below what our own servers keep, so that a request seldom meets a connection that is just being closed.
  keepAliveTimeout: listenerLimits.httpKeepAlive / 2 / 1000,
  pipelining: 1
})
