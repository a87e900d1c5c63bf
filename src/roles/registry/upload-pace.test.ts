// Tests of the rate limit of uploads on a test clock: when each chunk of one or several uploads passes.

import { assert, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { makeUploadPace } from "./upload-pace.ts"

const chunks = (...lengths: ReadonlyArray<number>) =>
  Stream.rechunk(Stream.fromIterable(lengths.map((length) => new Uint8Array(length))), 1)

/** When each chunk of the uploads passes, in milliseconds. */
const arrivals = (...uploads: ReadonlyArray<Stream.Stream<Uint8Array>>) =>
  Effect.gen(function* () {
    const times: number[] = []
    const reading = yield* Effect.forkChild(
      Effect.forEach(
        uploads,
        Stream.runForEach(() => Effect.map(Clock.currentTimeMillis, (now) => times.push(now))),
        { concurrency: "unbounded" }
      )
    )
    yield* TestClock.adjust("1 minute")
    yield* Fiber.join(reading)
    return times
  })

describe("the pace of uploads", () => {
  it.effect("lets a second's bytes pass at once, and the rest at the rate", () =>
    Effect.gen(function* () {
      const pace = yield* makeUploadPace(1000)
      assert.deepStrictEqual(yield* arrivals(pace(chunks(600, 400, 500, 250))), [0, 0, 500, 750])
    })
  )

  it.effect("is shared by all uploads", () =>
    Effect.gen(function* () {
      const pace = yield* makeUploadPace(1000)
      const uploads = [pace(chunks(500, 500)), pace(chunks(500, 500))]
      assert.deepStrictEqual(yield* arrivals(...uploads), [0, 0, 500, 1000])
    })
  )

  it.effect("is unlimited without a rate", () =>
    Effect.gen(function* () {
      const pace = yield* makeUploadPace(undefined)
      assert.deepStrictEqual(yield* arrivals(pace(chunks(1e9, 1e9))), [0, 0])
    })
  )
})
