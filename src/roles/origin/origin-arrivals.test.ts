// What an origin receives is cut into pieces however its chunks are cut, and whatever ends it early leaves nothing.

import { expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Option, Stream } from "effect"
import fc from "fast-check"
import { describe } from "vitest"
import { settle } from "../../../testing/roles/settle.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { type Arrival, choosePieceLength, pieceCount, pieceSize } from "../../protocol/wire/metainfo.ts"
import type { ArrivingSwarm } from "../peer/arriving-swarm.ts"
import { SwarmBroken } from "../peer/open-swarm.ts"
import type { PeerEngine } from "../peer/peer-engine.ts"
import { type BlobStore, BlobStoreError } from "../services/blob-store.ts"
import { makeOriginArrivals } from "./origin-arrivals.ts"

const digest = `sha256:${"1".repeat(64)}` as Digest
const key = new Uint8Array(32)

/** An engine that takes pieces as `put` says, and a store. */
const stage = (put: ArrivingSwarm["put"] = () => Effect.void) => {
  const state = {
    put: new Map<number, Uint8Array>(),
    began: 0,
    ended: 0,
    removed: 0,
    isWhole: false,
    completed: Effect.void as ArrivingSwarm["completed"]
  }
  const engine = {
    openArrival: (blob: Omit<Arrival, "key">) =>
      Effect.acquireRelease(
        Effect.succeed({
          arrival: { ...blob, key },
          put: (piece: number, bytes: Uint8Array) =>
            Effect.andThen(
              Effect.sync(() => void state.put.set(piece, bytes)),
              put(piece, bytes)
            ),
          completed: Effect.suspend(() => state.completed)
        }),
        () => Effect.sync(() => state.ended++)
      )
  } as unknown as PeerEngine
  const blobs = {
    stat: () => Effect.sync(() => (state.isWhole ? Option.some({ digest, length: 1 }) : Option.none())),
    removeDownload: () =>
      Effect.sync(() => {
        expect(state.ended).toBe(1)
        state.removed++
      })
  } as Partial<BlobStore> as BlobStore
  const { receive } = makeOriginArrivals(blobs, engine)
  const run = <E>(length: number, bytes: Stream.Stream<Uint8Array, E>) =>
    Effect.exit(receive(digest, length, bytes, () => Effect.sync(() => void state.began++)))
  return { state, run }
}

const pieceLength = choosePieceLength(1)
const content = Uint8Array.from({ length: 3 * pieceLength + 7 }, (_, index) => index % 251)

describe("a blob that an origin receives", () => {
  const cutAt = (length: number, cuts: ReadonlyArray<number>) =>
    Effect.gen(function* () {
      const { state, run } = stage()
      const marks = [...cuts.filter((cut) => cut < length), 0, length].sort((one, other) => one - other)
      const chunks = marks.slice(1).map((mark, index) => content.subarray(marks[index]!, mark))
      expect(yield* run(length, Stream.fromIterable(chunks))).toEqual(Exit.void)
      const blob = { length, pieceLength }
      expect([...state.put.keys()]).toEqual(Array.from({ length: pieceCount(blob) }, (_, piece) => piece))
      let at = 0
      for (const [piece, bytes] of state.put) {
        expect(bytes.length).toBe(pieceSize(blob, piece))
        expect(Buffer.compare(bytes, content.subarray(at, at + bytes.length))).toBe(0)
        at += bytes.length
      }
      expect([at, state.began, state.ended, state.removed]).toEqual([length, 1, 1, 0])
    })

  it("is cut into its pieces, however the chunks are cut", async () => {
    const lengths = fc.integer({ min: 1, max: content.length })
    const cuts = fc.array(fc.nat(content.length), { maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(lengths, cuts, (length, at) => Effect.runPromise(cutAt(length, at))),
      { numRuns: 30 }
    )
  })

  it.effect("leaves nothing when the sender breaks off, or sends fewer or more bytes than it said", () =>
    Effect.gen(function* () {
      const half = Stream.succeed(content.subarray(0, 2 * pieceLength))
      for (const [bytes, why] of [
        [Stream.concat(half, Stream.fail(new Error("gone"))), "gone"],
        [half, "fewer than"],
        [Stream.concat(half, Stream.succeed(content)), "more than"]
      ] as const) {
        const { state, run } = stage()
        expect(String(yield* run(2 * pieceLength + 5, bytes))).toContain(why)
        expect([state.ended, state.removed]).toEqual([1, 1])
      }
    })
  )

  it.effect("ends with the first piece that cannot be stored, or with a wrong digest", () =>
    Effect.gen(function* () {
      const full = new BlobStoreError({ reason: "full", message: "no room" })
      const unstored = stage((piece) => (piece === 1 ? Effect.fail(full) : Effect.void))
      const outcome = yield* unstored.run(content.length, Stream.succeed(content))
      expect(String(outcome)).toContain("no room")
      expect([...unstored.state.put.keys()]).toEqual([0, 1])
      expect(unstored.state.removed).toBe(1)
      const wrong = stage()
      wrong.state.completed = Effect.fail(new SwarmBroken({ reason: "content", message: "wrong digest" }))
      expect(String(yield* wrong.run(content.length, Stream.succeed(content)))).toContain("wrong digest")
      expect(wrong.state.removed).toBe(1)
    })
  )

  it.effect("is here if it came whole by another way meanwhile, and stays", () =>
    Effect.gen(function* () {
      const { state, run } = stage()
      state.isWhole = true
      expect(yield* run(10, Stream.empty)).toEqual(Exit.void)
      expect(state.removed).toBe(0)
    })
  )

  it.effect("waits for the disk, with one piece on its way to it while the next is filled", () =>
    Effect.gen(function* () {
      const go = yield* Deferred.make<void>()
      const { state, run } = stage(() => Deferred.await(go))
      const running = yield* Effect.forkChild(run(content.length, Stream.succeed(content)))
      yield* settle
      expect([...state.put.keys()]).toEqual([0])
      yield* Deferred.succeed(go, undefined)
      yield* settle
      expect(running.pollUnsafe()).toEqual(Exit.succeed(Exit.void))
      expect(state.put.size).toBe(4)
    })
  )
})
