// A proxy's own store keeps a pushed blob as long as anybody forwards it, and nothing of an earlier process.

import { it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Stream } from "effect"
import { describe, expect } from "vitest"
import { makeMemoryBlobs } from "../../../testing/roles/memory-blob-store.ts"
import { makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { invariant } from "../../protocol/kit/invariant.ts"
import { makeForwardedBlobs } from "./forwarded-blobs.ts"

const bytes = new Uint8Array([1, 2, 3])
const { digests } = makeMemoryWorld()
const digest = digests.digest("sha256", bytes)

const makeStore = Effect.gen(function* () {
  const blobs = makeMemoryBlobs(digests)
  const { uploads, forward } = yield* makeForwardedBlobs(blobs)
  invariant(forward !== undefined, "an own store forwards")
  const push = Effect.gen(function* () {
    const upload = yield* uploads.createUpload
    yield* uploads.appendUpload(upload, 0, Stream.succeed(bytes))
    return yield* uploads.commitUpload(upload, digest)
  })
  return { blobs, forward, push }
})

describe("a blob that is forwarded", () => {
  it.effect("is there until the last of those that forward it has ended, one way or another", () =>
    Effect.gen(function* () {
      const { blobs, forward, push } = yield* makeStore
      const stat = yield* push
      const gate = yield* Deferred.make<void>()
      const slow = yield* Effect.forkChild(forward(stat, () => Deferred.await(gate)))
      yield* Effect.yieldNow
      const failed = yield* Effect.exit(forward(yield* push, () => Effect.fail("refused")))
      expect(Exit.isFailure(failed)).toBe(true)
      expect(blobs.blobs.has(digest)).toBe(true)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(slow)
      expect(blobs.blobs.has(digest)).toBe(false)
    })
  )

  it.effect("can be read again for another receiver", () =>
    Effect.gen(function* () {
      const { forward, push } = yield* makeStore
      const sent = yield* forward(yield* push, (blob) =>
        Effect.all([Stream.mkUint8Array(blob.bytes), Stream.mkUint8Array(blob.bytes)])
      )
      expect(sent).toEqual([bytes, bytes])
    })
  )

  it.effect("is removed at the next start if a crash left it", () =>
    Effect.gen(function* () {
      const { blobs, push } = yield* makeStore
      yield* push
      expect(blobs.blobs.size).toBe(1)
      yield* makeForwardedBlobs(blobs)
      expect(blobs.blobs.size).toBe(0)
    })
  )
})
