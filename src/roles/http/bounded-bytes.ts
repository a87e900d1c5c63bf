// Reads a body of unknown length into memory, up to a bound: a body that is longer is not read one chunk further. The
// caller says what the failure is.

import { Effect, Stream } from "effect"

/** The bytes of `stream`. Fails with `tooLong` as soon as there are more than `most`. */
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
