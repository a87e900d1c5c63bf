// Decides how a body of unknown length is taken into memory: whole if it is short enough, and else not a chunk further.
// What failing means is the caller's.

import { Effect, Stream } from "effect"

/** The bytes of `stream`, or what `tooLong` gives as soon as they are more than `most`. */
export const boundedBytes = <E, TooLong>(
  stream: Stream.Stream<Uint8Array, E>,
  most: number,
  tooLong: () => TooLong
): Effect.Effect<Uint8Array, E | TooLong> =>
  Stream.mkUint8Array(
    Stream.suspend(() => {
      let length = 0
      return Stream.tap(stream, (chunk): Effect.Effect<void, TooLong> => {
        length += chunk.byteLength
        return length > most ? Effect.fail(tooLong()) : Effect.void
      })
    })
  )
