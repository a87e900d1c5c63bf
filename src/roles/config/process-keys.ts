// The keys that every role has as a process, and those of every role that is a peer: where it keeps what it keeps, what
// it logs, where peers connect and how fast. Knows no role.

import { Schema } from "effect"
import { limits } from "../../protocol/limits.ts"
import { PeerListen } from "./addresses.ts"
import { defaultTo, PositiveInt } from "./numbers.ts"

export const Log = Schema.Struct({
  level: defaultTo(Schema.Literals(["trace", "debug", "info", "warn", "error", "silent"]), "info"),
  /** "auto" is pretty on a terminal and JSON otherwise. */
  format: defaultTo(Schema.Literals(["auto", "json", "pretty"]), "auto")
})

export const logKey = {
  log: defaultTo(Log, {})
}

export const dataKeys = {
  /** Folder of everything the role keeps. */
  data: Schema.NonEmptyString,
  ...logKey
}

/** Piece bytes a second that a host may send and receive, with the burst its token buckets hold. Absent: unlimited. */
export const RateLimits = Schema.Struct({
  egressBytesPerSecond: Schema.optionalKey(PositiveInt),
  ingressBytesPerSecond: Schema.optionalKey(PositiveInt),
  /** May be smaller than a piece: a piece then waits for as many refills as it needs. */
  burstBytes: defaultTo(PositiveInt, limits.defaultBurstBytes)
})
export type RateLimits = typeof RateLimits.Type

export type RateSettings = typeof RateLimits.Encoded

export const rateLimits = Schema.decodeSync(RateLimits)

export const unlimited = rateLimits({})

export const peerKeys = {
  peer: PeerListen,
  rates: defaultTo(RateLimits, {})
}
