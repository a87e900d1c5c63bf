// When an origin that fetches a blob from its upstream answers with the arrival, with metainfo, or not yet.

import { expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { settle } from "../../../testing/roles/settle.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { milliseconds, seconds } from "../../protocol/kit/time.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { Upstreams } from "../client/upstreams.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import type { UpstreamBlob, UpstreamRegistry } from "../upstream/upstream-registry.ts"
import { OriginLimits } from "./limits.ts"
import { LengthWrong } from "./origin-arrivals.ts"
import { makeOriginMirror } from "./origin-mirror.ts"
import type { OriginReplication } from "./origin-replication.ts"

const digest = `sha256:${"1".repeat(64)}` as Digest
const blob = { digest, length: 1000, pieceLength: 16 }
const arrival = { ...blob, key: new Uint8Array(32) }
const metainfo = { ...blob, root: new Uint8Array(32) }
const self = "http://one"

/** A mirror whose upstream answers at `answers`, and whose blob is whole at `ends`. */
const mirroring = (blobLength: number | undefined) =>
  Effect.gen(function* () {
    const answers = yield* Deferred.make<void>()
    const ends = yield* Deferred.make<void, LengthWrong>()
    const copies = yield* Deferred.make<void>()
    const seen: string[] = []
    const registry = {
      name: "hub.example",
      blob: () =>
        Effect.as(Deferred.await(answers), {
          length: blobLength,
          bytes: Stream.empty
        } satisfies UpstreamBlob)
    } as Partial<UpstreamRegistry> as UpstreamRegistry
    const mirror = yield* withLimits(
      makeOriginMirror({
        registries: { of: () => ({ registry, remote: "a/b", freshness: 0 }) },
        receive: () =>
          Effect.gen(function* () {
            seen.push("upload")
            yield* Effect.orDie(Deferred.await(ends))
            return { digest, length: 1000 }
          }),
        arrivals: {
          receive: (_digest, length, _bytes, began) =>
            Effect.gen(function* () {
              seen.push(`arrival of ${length}`)
              yield* began(arrival)
              yield* Deferred.await(ends)
            }).pipe(Effect.scoped)
        },
        repair: {
          completed: () => Effect.succeed(metainfo),
          missed: () => Effect.void,
          metainfo: () => Effect.succeedNone
        },
        replication: {
          aroundCommit: (_digest, commit) => Effect.tap(commit, () => Deferred.await(copies))
        } as Partial<OriginReplication> as OriginReplication,
        upstreams: {} as Upstreams,
        members: [self],
        self,
        metrics: makeRoleMetrics("origin")
      }),
      OriginLimits,
      { minArrivalBytes: 500, arrivalDelay: milliseconds(100), upstreamFetchWait: seconds(10) }
    )
    const ask = Effect.exit(mirror.metainfo("hub.example/a/b", digest))
    const asking = Effect.forkChild(ask)
    return { mirror, answers, ends, seen, ask, asking }
  })

const found = (info: typeof arrival | typeof metainfo) => Exit.succeed(Option.some(info))

describe("a blob that an origin fetches", () => {
  it.effect("is given out by its arrival after arrivalDelay, until it is whole", () =>
    Effect.gen(function* () {
      const { mirror, answers, ends, seen, ask, asking } = yield* mirroring(1000)
      const first = yield* asking
      yield* TestClock.adjust("3 seconds")
      yield* Deferred.succeed(answers, undefined)
      yield* TestClock.adjust("99 millis")
      expect([first.pollUnsafe(), mirror.arriving(digest)]).toEqual([undefined, undefined])
      yield* TestClock.adjust("1 millis")
      expect(yield* Fiber.join(first)).toEqual(found(arrival))
      expect(mirror.arriving(digest)).toEqual(arrival)
      expect(yield* ask).toEqual(found(arrival))
      yield* Deferred.succeed(ends, undefined)
      yield* settle
      // The fetch lasts until the other owners have their copies; the arrival does not.
      expect(mirror.arriving(digest)).toBeUndefined()
      expect(yield* ask).toEqual(found(metainfo))
      expect(seen).toEqual(["arrival of 1000"])
    }).pipe(Effect.scoped)
  )

  it.effect("is given out by its metainfo if it is whole before", () =>
    Effect.gen(function* () {
      const { answers, ends, asking } = yield* mirroring(1000)
      const first = yield* asking
      yield* Deferred.succeed(answers, undefined)
      yield* TestClock.adjust("99 millis")
      yield* Deferred.succeed(ends, undefined)
      yield* settle
      expect(yield* Fiber.join(first)).toEqual(found(metainfo))
    }).pipe(Effect.scoped)
  )

  it.effect(
    "is waited for if it is short, too long, of unknown length, or the upstream has not answered",
    () =>
      Effect.gen(function* () {
        for (const length of [499, 2 ** 44 + 1, undefined]) {
          const { mirror, answers, seen, asking } = yield* mirroring(length)
          if (length === undefined) yield* Deferred.succeed(answers, undefined)
          const first = yield* asking
          yield* TestClock.adjust("10 seconds")
          const outcome = yield* Fiber.join(first)
          expect(String(outcome)).toContain("is being fetched from its upstream")
          yield* Deferred.succeed(answers, undefined)
          yield* TestClock.adjust("1 seconds")
          expect(seen).toEqual(["upload"])
          expect(mirror.arriving(digest)).toBeUndefined()
        }
      }).pipe(Effect.scoped)
  )

  it.effect("that ends early is unknown to those who ask then, and its arrival is gone", () =>
    Effect.gen(function* () {
      const { mirror, answers, ends, ask, asking } = yield* mirroring(1000)
      const first = yield* asking
      yield* Deferred.succeed(answers, undefined)
      yield* TestClock.adjust("100 millis")
      expect(yield* Fiber.join(first)).toEqual(found(arrival))
      yield* Deferred.fail(ends, new LengthWrong({ message: "fewer bytes" }))
      yield* settle
      expect(mirror.arriving(digest)).toBeUndefined()
      expect(yield* ask).toEqual(Exit.succeed(Option.none()))
    }).pipe(Effect.scoped)
  )
})
