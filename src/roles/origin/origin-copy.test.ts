// The body of a copy is split at the right byte, however the network cuts it.

import { assert, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import fc from "fast-check"
import { describe } from "vitest"
import { someBytes } from "../../../testing/roles/push.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { decodeCopy, encodeCopy, splitAt } from "./origin-copy.ts"

const digest = `sha256:${"ab".repeat(32)}` as Digest

/** A stream of `bytes` in chunks of the given sizes, including empty ones, with the rest in one. */
const cut = (bytes: Uint8Array, sizes: ReadonlyArray<number>): Stream.Stream<Uint8Array> => {
  const chunks: Uint8Array[] = []
  let at = 0
  for (const size of sizes) {
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  chunks.push(bytes.subarray(at))
  return Stream.fromIterable(chunks)
}

describe("a copy between origins", () => {
  it("splits at the stated byte, for any cut of the body", () => {
    fc.assert(
      fc.property(fc.nat(200), fc.nat(250), fc.array(fc.nat(60), { maxLength: 12 }), (length, at, sizes) => {
        const bytes = someBytes(length, length)
        const [prefix, rest] = Effect.runSync(
          Effect.scoped(
            Effect.gen(function* () {
              const split = yield* splitAt(cut(bytes, sizes), at)
              return [split.prefix, yield* Stream.mkUint8Array(split.rest)] as const
            })
          )
        )
        assert.deepStrictEqual(prefix, bytes.slice(0, at))
        assert.deepStrictEqual(rest, bytes.slice(at))
      })
    )
  })

  it.effect("arrives with its metainfo and its bytes", () =>
    Effect.gen(function* () {
      const blob = someBytes(1, 5000)
      const metainfo = {
        digest,
        length: blob.byteLength,
        pieceLength: 262_144,
        root: someBytes(2, 32)
      }
      const { body, metainfoLength } = encodeCopy(metainfo, cut(blob, [1000, 1]))
      const sent = yield* Stream.mkUint8Array(body.bytes)
      assert.strictEqual(sent.byteLength, body.length)
      const copy = yield* decodeCopy(digest, String(metainfoLength), cut(sent, [10, 200]))
      if (typeof copy === "string") return assert.fail(copy)
      assert.deepStrictEqual(copy.metainfo, metainfo)
      assert.deepStrictEqual(yield* Stream.mkUint8Array(copy.blob), blob)
    }).pipe(Effect.scoped)
  )

  it.effect("fails like its sender's stream, in either part", () =>
    Effect.gen(function* () {
      const broken = Stream.concat(Stream.succeed(someBytes(1, 10)), Stream.fail("reset"))
      assert.strictEqual(yield* Effect.flip(splitAt(broken, 20)), "reset")
      const { rest } = yield* splitAt(broken, 5)
      assert.strictEqual(yield* Effect.flip(Stream.runDrain(rest)), "reset")
    }).pipe(Effect.scoped)
  )
})
