// Decides how fast uploads come in: the bytes of all of them together pass one token bucket, in the order in which they
// arrive. Bytes over the rate wait here, unread ones in the sender's socket: a client is slowed, never refused. A client
// that hangs up while it waits has spent what it reserved.

import { Effect, Stream } from "effect"
import { TokenBucket } from "../../protocol/kit/token-bucket.ts"
import { monotonicMicros, toDuration } from "../services/clock.ts"

export type UploadPace = <E>(bytes: Stream.Stream<Uint8Array, E>) => Stream.Stream<Uint8Array, E>

const passes = (bucket: TokenBucket, chunk: Uint8Array): Effect.Effect<Uint8Array> =>
  Effect.flatMap(monotonicMicros, (now) => {
    const due = bucket.reserve(chunk.byteLength, now)
    return due === now ? Effect.succeed(chunk) : Effect.as(Effect.sleep(toDuration(due - now)), chunk)
  })

/** Unlimited when the rate is undefined. */
export const makeUploadPace = (bytesPerSecond: number | undefined): Effect.Effect<UploadPace> =>
  Effect.map(monotonicMicros, (start): UploadPace => {
    if (bytesPerSecond === undefined) return (bytes) => bytes
    const bucket = new TokenBucket({ bytesPerSecond, burstBytes: bytesPerSecond }, start)
    return (bytes) => Stream.mapEffect(bytes, (chunk) => passes(bucket, chunk))
  })
