// The keys that every role has as a process, and those of every role that is a peer: where it stores its data, what
// it logs, where peers connect and at which rates. It knows no role.

import { Schema } from "effect"
import { PeerListen } from "./addresses.ts"
import { optional, required, withDefault } from "./keys.ts"
import { configLimits } from "./limits.ts"
import { Rate, size, sizeText } from "./quantities.ts"

export const Log = Schema.Struct({
  level: withDefault(
    Schema.Literals(["trace", "debug", "info", "warn", "error", "silent"]),
    "info",
    "The lowest logged level"
  ),
  format: withDefault(
    Schema.Literals(["auto", "json", "pretty"]),
    "auto",
    "Format of logs; auto is pretty on a terminal"
  )
})

export const logKey = {
  log: withDefault(Log, {}, "What is logged, and in which format")
}

export const dataKeys = {
  data: required(Schema.NonEmptyString.annotate({ title: "folder" }), "The folder of all stored data"),
  ...logKey
}

/** The rates at which a host may send and receive, with the burst that its token buckets hold. */
export const RateLimits = Schema.Struct({
  egress: optional(Rate, "The highest rate at which pieces are sent; unlimited when absent", [
    { key: "egressBytesPerSecond" }
  ]),
  ingress: optional(Rate, "The highest rate at which pieces are received; unlimited when absent", [
    { key: "ingressBytesPerSecond" }
  ]),
  // The burst may be smaller than a piece: a piece then waits for several refills.
  burst: withDefault(
    size("4MiB"),
    sizeText(configLimits.defaultBurstBytes),
    "Bytes that may be sent or received at once after a pause",
    [{ key: "burstBytes" }]
  )
})
export type RateLimits = typeof RateLimits.Type

export type RateSettings = typeof RateLimits.Encoded

export const rateLimits = Schema.decodeSync(RateLimits)

export const unlimited = rateLimits({})

export const peerKeys = {
  peer: required(PeerListen, "Where peers connect"),
  rates: withDefault(RateLimits, {}, "The rates at which pieces are sent and received")
}
