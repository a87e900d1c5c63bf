// The keys that every role has as a process, and those of every role that is a peer: where it keeps what it keeps, what
// it logs, where peers connect and how fast. Knows no role.

import { Effect, Schema } from "effect"
import { PeerListen } from "./addresses.ts"
import { PositiveInt } from "./numbers.ts"

export const Log = Schema.Struct({
  level: Schema.Literals(["trace", "debug", "info", "warn", "error", "silent"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("info" as const))
  ),
  /** "auto" is pretty on a terminal and JSON otherwise. */
  format: Schema.Literals(["auto", "json", "pretty"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("auto" as const))
  )
})

export const logKey = {
  log: Log.pipe(Schema.withDecodingDefaultKey(Effect.succeed({})))
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
  burstBytes: Schema.optionalKey(PositiveInt)
})

export const peerKeys = {
  peer: PeerListen,
  rates: RateLimits.pipe(Schema.withDecodingDefaultKey(Effect.succeed({})))
}
