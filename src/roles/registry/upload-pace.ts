// Rate limit of uploads: the bytes of all uploads together pass one token bucket, in the order of their arrival.
// Chunks above the rate wait here and unread bytes wait in the sender's socket, so a client is slowed down and never
// refused. A client that hangs up while its chunk waits does not get its tokens back.

import { Effect, Stream } from "effect"
import { TokenBucket } from "../../protocol/kit/token-bucket.ts"
import { monotonicMicros, toDuration } from "../services/clock.ts"

export type UploadPace = <E>(bytes: Stream.Stream<Uint8Array, E>) => Stream.Stream<Uint8Array, E>

const passes = (bucket: TokenBucket, chunk: Uint8Array): Effect.Effect<Uint8Array> =>
  Effect.flatMap(monotonicMicros, (now) => {
    const due = bucket.reserve(chunk.byteLength, now)
    return due === now ? Effect.succeed(chunk) : Effect.as(Effect.sleep(toDuration(due - now)), chunk)
  })

/** An undefined rate is unlimited. */
export const makeUploadPace = (bytesPerSecond: number | undefined): Effect.Effect<UploadPace> =>
  Effect.map(monotonicMicros, (start): UploadPace => {
    if (bytesPerSecond === undefined) return (bytes) => bytes
    const bucket = new TokenBucket({ bytesPerSecond, burstBytes: bytesPerSecond }, start)
    return (bytes) => Stream.mapEffect(bytes, (chunk) => passes(bucket, chunk))
  })
