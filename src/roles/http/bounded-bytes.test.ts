// Tests of bodies that are read into memory up to a bound, whatever their chunks: exactly the bound is accepted, and
// nothing is read beyond the chunk that exceeds it.

import { expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { boundedBytes } from "./bounded-bytes.ts"

const chunks = (...sizes: ReadonlyArray<number>) => sizes.map((size) => new Uint8Array(size).fill(size))

it.effect("a body may have exactly the bound, in any chunks", () =>
  Effect.gen(function* () {
    const read = (...sizes: ReadonlyArray<number>) =>
      boundedBytes(Stream.fromIterable(chunks(...sizes)), 5, () => "too long")
    expect([...(yield* read(2, 3))]).toEqual([2, 2, 3, 3, 3])
    expect((yield* read()).length).toBe(0)
    expect(yield* Effect.flip(read(6))).toBe("too long")
    expect(yield* Effect.flip(read(2, 3, 1))).toBe("too long")
  })
)

it.effect("a body that is longer is not read one chunk further, and a second reading counts anew", () =>
  Effect.gen(function* () {
    let read = 0
    const body = Stream.fromIterable(chunks(2, 2, 2, 2)).pipe(
      Stream.rechunk(1),
      Stream.tap(() => Effect.sync(() => read++))
    )
    const bounded = boundedBytes(body, 5, () => "too long")
    for (const times of [1, 2]) {
      expect(yield* Effect.flip(bounded)).toBe("too long")
      expect(read).toBe(3 * times)
    }
  })
)
