// Tests of the origins of a proxy that mirrors: what no origin has is fetched by them if it is mirrored, and unknown
// at once if it is not.

import { expect, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { seconds } from "../../protocol/kit/time.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { encodeMetainfo } from "../../protocol/wire/metainfo.ts"
import { askLimits } from "../client/limits.ts"
import type { OriginClient } from "../client/origin-client.ts"
import { BlobOnItsWay, blobUnknown } from "../client/origin-errors.ts"
import { fetchingOrigins } from "./fetching-origins.ts"

const digest = `sha256:${"ab".repeat(32)}` as Digest
const limits = { ...askLimits, upstreamFetchPause: seconds(1), upstreamFetchPatience: seconds(10) }

const blob = { digest, length: 3, pieceLength: 4 }
const root = new Uint8Array(32)

/** Origins that have metainfo once they were asked for it `times` times; before `whole` times it is an arrival. */
const staged = (times: number, whole = times) => {
  const state = { stats: 0, metainfos: 0 }
  const lacks = () => state.metainfos < Math.max(times, whole)
  const origins = {
    stat: () =>
      Effect.suspend(() => {
        state.stats++
        return lacks() ? Effect.fail(blobUnknown(digest)) : Effect.succeed({ digest, length: 3 })
      }),
    metainfo: () =>
      Effect.suspend(() => {
        state.metainfos++
        return state.metainfos < times
          ? Effect.fail(new BlobOnItsWay({ digest, message: "on its way" }))
          : Effect.succeed(
              encodeMetainfo(state.metainfos < whole ? { ...blob, key: root } : { ...blob, root })
            )
      }),
    read: () =>
      Stream.suspend(() => (lacks() ? Stream.fail(blobUnknown(digest)) : Stream.make(new Uint8Array(3))))
  } as unknown as OriginClient
  return { state, reading: fetchingOrigins(origins, (repository) => repository.startsWith("hub/"), limits) }
}

it.effect("a mirrored blob that the origins fetch is asked for until they have it", () =>
  Effect.gen(function* () {
    const { state, reading } = staged(3)
    const asking = yield* Effect.forkChild(reading.stat("hub/a", digest))
    yield* TestClock.adjust("5 seconds")
    expect((yield* Fiber.join(asking)).length).toBe(3)
    expect(state).toEqual({ stats: 2, metainfos: 3 })
    expect((yield* reading.stat("hub/a", digest)).length).toBe(3)
    expect(state).toEqual({ stats: 3, metainfos: 3 })
  })
)

it.effect("a blob that arrives at an origin is waited for until it is whole", () =>
  Effect.gen(function* () {
    const { state, reading } = staged(1, 3)
    const asking = yield* Effect.forkChild(reading.stat("hub/a", digest))
    yield* TestClock.adjust("5 seconds")
    expect((yield* Fiber.join(asking)).length).toBe(3)
    expect(state).toEqual({ stats: 2, metainfos: 3 })
  })
)

it.effect("it is read once the origins have it", () =>
  Effect.gen(function* () {
    const { reading } = staged(2)
    const asking = yield* Effect.forkChild(Stream.runCollect(reading.read("hub/a", digest, 0, 3)))
    yield* TestClock.adjust("5 seconds")
    expect((yield* Fiber.join(asking)).map((chunk) => chunk.length)).toEqual([3])
  })
)

it.effect("the origins are unavailable when it is on its way for too long", () =>
  Effect.gen(function* () {
    const { reading } = staged(Number.POSITIVE_INFINITY)
    const asking = yield* Effect.forkChild(Effect.flip(reading.stat("hub/a", digest)))
    yield* TestClock.adjust("11 seconds")
    const error = yield* Fiber.join(asking)
    expect([error._tag, error.message]).toEqual(["OriginUnavailable", "on its way"])
  })
)

it.effect("a blob of another repository is unknown at once", () =>
  Effect.gen(function* () {
    const { state, reading } = staged(1)
    expect((yield* Effect.flip(reading.stat("demo/a", digest)))._tag).toBe("BlobUnknown")
    expect((yield* Effect.flip(Stream.runDrain(reading.read("demo/a", digest, 0, 3))))._tag).toBe(
      "BlobUnknown"
    )
    expect(state).toEqual({ stats: 1, metainfos: 0 })
  })
)
