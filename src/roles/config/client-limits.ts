// What a registry lets its clients do, as it is configured; limits.ts says why each default is what it is. A client is
// an address, of IPv6 its /64. http/client-limits.ts and the upload sessions enforce it.

import { Schema } from "effect"
import { limits } from "../../protocol/limits.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { defaultTo, PositiveInt } from "./numbers.ts"

export const ClientLimits = Schema.Struct({
  /** Requests a second of one client, beyond which it gets 429; 0 is no limit. */
  requestsPerSecond: defaultTo(
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 })),
    limits.clientRequestsPerSecond
  ),
  /** Requests that a client may send at once after a rest. */
  requestBurst: defaultTo(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 })),
    limits.clientRequestBurst
  ),
  /** Uploads that were begun and not ended, of all clients and of one. */
  uploads: defaultTo(PositiveInt, limits.maxUploadSessions),
  uploadsPerClient: defaultTo(PositiveInt, limits.maxUploadSessionsPerClient),
  /** Bytes a second that all uploads together may bring; they are slowed, not refused. Absent: unlimited. */
  uploadBytesPerSecond: Schema.optionalKey(PositiveInt),
  /** Bytes of a manifest, beyond which it gets 413. */
  manifestBytes: defaultTo(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: limits.largestManifestBytes })),
    limits.maxManifestBytes
  ),
  /** A request's headers must be there within this. */
  headerSeconds: defaultTo(PositiveInt, limits.requestHeadersTimeout / seconds(1)),
  /** A client that keeps a body waiting for this long is cut. */
  bodySeconds: defaultTo(PositiveInt, limits.httpSilence / seconds(1))
})
export type ClientLimits = typeof ClientLimits.Type

/** The key of every registry. */
export const clientLimitKeys = {
  limits: defaultTo(ClientLimits, {})
}

/** What a registry's listener waits for, of a configuration's limits. */
export const patienceOf = ({ headerSeconds, bodySeconds }: ClientLimits) => ({
  headers: seconds(headerSeconds),
  body: seconds(bodySeconds)
})
