// What a registry lets its clients do, as it is configured; limits.ts says why each default is what it is. A client is
// an address, of IPv6 its /64. http/client-limits.ts and the upload sessions enforce it.

import { Schema } from "effect"
import { configLimits } from "./limits.ts"
import { ociLimits } from "../oci/limits.ts"
import { optional, withDefault } from "./keys.ts"
import { count, duration, microsOf, PositiveInt, Rate, size, sizeText, writtenMicros } from "./quantities.ts"

export const ClientLimits = Schema.Struct({
  requestsPerSecond: withDefault(
    count(0, 1_000_000),
    configLimits.clientRequestsPerSecond,
    "Requests a second of one client, beyond which it gets 429; 0 is no limit"
  ),
  requestBurst: withDefault(
    count(1, 1_000_000),
    configLimits.clientRequestBurst,
    "Requests that a client may send at once after a rest"
  ),
  uploads: withDefault(
    PositiveInt,
    configLimits.maxUploadSessions,
    "Uploads that were begun and not ended, of all clients"
  ),
  uploadsPerClient: withDefault(
    PositiveInt,
    configLimits.maxUploadSessionsPerClient,
    "Uploads that were begun and not ended, of one client"
  ),
  uploadRate: optional(
    Rate,
    "What all uploads together may bring; they are slowed, not refused; unlimited when absent",
    [{ key: "uploadBytesPerSecond" }]
  ),
  manifestSize: withDefault(
    size("4MiB", ociLimits.largestManifestBytes),
    sizeText(ociLimits.maxManifestBytes),
    "The largest manifest; a larger one gets 413",
    [{ key: "manifestBytes" }]
  ),
  headerTimeout: withDefault(
    duration({ least: "1 second" }),
    writtenMicros(configLimits.requestHeadersTimeout),
    "A request's headers must be there within this; then 408",
    [{ key: "headerSeconds" }]
  ),
  bodyTimeout: withDefault(
    duration({ least: "1 second" }),
    writtenMicros(configLimits.httpSilence),
    "A client that keeps a body waiting for this long is cut",
    [{ key: "bodySeconds" }]
  )
})
export type ClientLimits = typeof ClientLimits.Type

/** The key of every registry. */
export const clientLimitKeys = {
  limits: withDefault(ClientLimits, {}, "What the registry lets its clients do")
}

/** What a registry's listener waits for, of a configuration's limits. */
export const patienceOf = ({ headerTimeout, bodyTimeout }: ClientLimits) => ({
  headers: microsOf(headerTimeout),
  body: microsOf(bodyTimeout)
})
