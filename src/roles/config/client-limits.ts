// The limits that a registry sets its clients, as configured; limits.ts explains each default. A client is an
// address, or for IPv6 its /64. http/client-limits.ts and the upload sessions enforce the limits.

import { Schema } from "effect"
import { ociLimits } from "../oci/limits.ts"
import { optional, withDefault } from "./keys.ts"
import { configLimits } from "./limits.ts"
import { count, duration, microsOf, PositiveInt, Rate, size, sizeText, writtenMicros } from "./quantities.ts"

export const ClientLimits = Schema.Struct({
  requestsPerSecond: withDefault(
    count(0, 1_000_000),
    configLimits.clientRequestsPerSecond,
    "Requests per second of one client, beyond which it gets 429; 0 means no limit"
  ),
  requestBurst: withDefault(
    count(1, 1_000_000),
    configLimits.clientRequestBurst,
    "Requests that a client may send at once after a pause"
  ),
  uploads: withDefault(PositiveInt, configLimits.maxUploadSessions, "Unfinished uploads of all clients"),
  uploadsPerClient: withDefault(
    PositiveInt,
    configLimits.maxUploadSessionsPerClient,
    "Unfinished uploads of one client"
  ),
  uploadRate: optional(
    Rate,
    "The rate of all uploads together, which are slowed and not refused; unlimited when absent",
    [{ key: "uploadBytesPerSecond" }]
  ),
  manifestSize: withDefault(
    size("4MiB", ociLimits.largestManifestBytes),
    sizeText(ociLimits.maxManifestBytes),
    "The largest manifest; a larger one gets 413",
    [{ key: "manifestBytes" }]
  ),
  headerTimeout: withDefault(
    duration({ least: "1 second", most: "1 day" }),
    writtenMicros(configLimits.requestHeadersTimeout),
    "Time for the headers of a request, after which the client gets 408",
    [{ key: "headerSeconds" }]
  ),
  bodyTimeout: withDefault(
    duration({ least: "1 second", most: "1 day" }),
    writtenMicros(configLimits.httpSilence),
    "Time for which a client may keep a body waiting before its connection is closed",
    [{ key: "bodySeconds" }]
  )
})
export type ClientLimits = typeof ClientLimits.Type

/** The keys of every registry. */
export const clientLimitKeys = {
  limits: withDefault(ClientLimits, {}, "What clients of the registry may do")
}

/** The timeouts of a registry's listener, from the limits of a configuration. */
export const patienceOf = ({ headerTimeout, bodyTimeout }: ClientLimits) => ({
  headers: microsOf(headerTimeout),
  body: microsOf(bodyTimeout)
})
