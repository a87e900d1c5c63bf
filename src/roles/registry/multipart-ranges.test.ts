// Tests of multipart/byteranges bodies: they parse into the same ranges, whatever the chunks of the source, and have
// the declared length.

import { createHash } from "node:crypto"
import { it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import fc from "fast-check"
import { describe, expect } from "vitest"
import { receivedParts } from "../../../testing/roles/byte-ranges.ts"
import { makeDigest } from "../../protocol/wire/digest.ts"
import { multipartRanges, readEach } from "./multipart-ranges.ts"

describe("multipartRanges", () => {
  it.effect("frames any ranges of any content in chunks of any size", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.uint8Array({ minLength: 1, maxLength: 300 }),
          fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 8 }),
          fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 20 }),
          fc.constantFrom("sha256" as const, "sha512" as const),
          async (content, places, cuts, algorithm) => {
            const digest = makeDigest(algorithm, createHash(algorithm).update(content).digest())
            const { length } = content
            const ranges = places.map(([one, other]) => {
              const start = one % length
              return { start, end: start + 1 + (other % (length - start)) }
            })
            const { contentType, contentLength, frame } = multipartRanges(digest, length, ranges)
            const all = Buffer.concat(ranges.map(({ start, end }) => content.subarray(start, end)))
            const chunks: Uint8Array[] = []
            for (let at = 0, cut = 0; at < all.byteLength; cut++) {
              chunks.push(new Uint8Array(all.subarray(at, at + cuts[cut % cuts.length]!)))
              at += chunks.at(-1)!.byteLength
            }
            const framed = await Effect.runPromise(Stream.runCollect(frame(Stream.fromIterable(chunks))))
            const body = new Uint8Array(Buffer.concat([...framed]))
            expect(body.byteLength).toBe(contentLength)
            const parts = receivedParts(contentType, body)
            expect(parts.map(({ start, end }) => ({ start, end }))).toEqual(ranges)
            for (const part of parts) {
              expect(part.length).toBe(length)
              expect(part.bytes).toEqual(content.slice(part.start, part.end))
            }
          }
        )
      )
    )
  )

  it.effect("reads a range when the one before it has ended", () =>
    Effect.gen(function* () {
      const ranges = [
        { start: 0, end: 2 },
        { start: 9, end: 11 },
        { start: 5, end: 6 }
      ]
      const asked: string[] = []
      const read = (start: number, end: number) =>
        Stream.suspend(() => {
          asked.push(`${start}-${end}`)
          return Stream.succeed(Uint8Array.from({ length: end - start }, (_, index) => start + index))
        })
      const first = yield* Stream.runCollect(Stream.take(readEach({ ranges, isWhole: false }, read), 1))
      expect([...first[0]!]).toEqual([0, 1])
      expect(asked).toEqual(["0-2"])
      const all = yield* Stream.runCollect(readEach({ ranges, isWhole: false }, read))
      expect(all.flatMap((chunk) => [...chunk])).toEqual([0, 1, 9, 10, 5])
    })
  )
})
