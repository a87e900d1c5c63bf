// The keys that every role has as a process, and those of every role that is a peer: where it keeps what it keeps, what
// it logs, where peers connect and how fast. Knows no role.

import { Schema } from "effect"
import { configLimits } from "./limits.ts"
import { PeerListen } from "./addresses.ts"
import { optional, required, withDefault } from "./keys.ts"
import { Rate, size, sizeText } from "./quantities.ts"

export const Log = Schema.Struct({
  level: withDefault(
    Schema.Literals(["trace", "debug", "info", "warn", "error", "silent"]),
    "info",
    "The least important lines to log"
  ),
  format: withDefault(
    Schema.Literals(["auto", "json", "pretty"]),
    "auto",
    "How lines look; auto is pretty on a terminal, JSON otherwise"
  )
})

export const logKey = {
  log: withDefault(Log, {}, "What is logged, and how it looks")
}

export const dataKeys = {
  data: required(
    Schema.NonEmptyString.annotate({ title: "folder" }),
    "The folder of everything that is kept"
  ),
  ...logKey
}

/** What a host may send and receive, with the burst that its token buckets hold. */
export const RateLimits = Schema.Struct({
  egress: optional(Rate, "Piece bytes a second to send at most; unlimited when absent", [
    { key: "egressBytesPerSecond" }
  ]),
  ingress: optional(Rate, "Piece bytes a second to receive at most; unlimited when absent", [
    { key: "ingressBytesPerSecond" }
  ]),
  // May be smaller than a piece: a piece then waits for as many refills as it needs.
  burst: withDefault(
    size("4MiB"),
    sizeText(configLimits.defaultBurstBytes),
    "What may be sent or received at once after a rest",
    [{ key: "burstBytes" }]
  )
})
export type RateLimits = typeof RateLimits.Type

export type RateSettings = typeof RateLimits.Encoded

export const rateLimits = Schema.decodeSync(RateLimits)

export const unlimited = rateLimits({})

export const peerKeys = {
  peer: required(PeerListen, "Where peers connect"),
  rates: withDefault(RateLimits, {}, "How fast pieces are sent and received")
}
