// Tests of upload sessions over stores in memory and a test clock: the limits of open uploads, what ends a session, and
// what a restart keeps.

import { createHash } from "node:crypto"
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { type MemoryBlobs, makeMemoryBlobs } from "../../../testing/roles/memory-blob-store.ts"
import { type MemoryTables, makeMemoryTables } from "../../../testing/roles/memory-table-store.ts"
import { settle } from "../../../testing/roles/settle.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { type Digest, makeDigest } from "../../protocol/wire/digest.ts"
import { BlobStoreError } from "../services/blob-store.ts"
import { ServiceLimits } from "../services/limits.ts"
import { makeUploadSessions, type UploadLimits, type UploadSessions } from "./upload-sessions.ts"

const digestOf = (bytes: Uint8Array): Digest =>
  makeDigest("sha256", createHash("sha256").update(bytes).digest())
const text = (value: string) => new TextEncoder().encode(value)
const body = (value: string) => Stream.succeed(text(value))

interface Stores {
  readonly blobs: MemoryBlobs
  readonly tables: MemoryTables
}

const stores = (): Stores => ({
  blobs: makeMemoryBlobs({ digest: (_, bytes) => digestOf(bytes), swarmId: () => "" as never }),
  tables: makeMemoryTables()
})

const roomy: UploadLimits = { uploads: 100, uploadsPerClient: 100 }

/** Sessions that are dropped after a day; the loop that drops them runs each hour. */
const open = ({ blobs, tables }: Stores, allowed = roomy) =>
  makeUploadSessions(blobs, tables, allowed).pipe((effect) =>
    withLimits(effect, ServiceLimits, { uploadSessionTimeout: seconds(24 * 3600), tableScanPage: 2 })
  )

const scene = <E>(
  test: (sessions: UploadSessions, stores: Stores) => Effect.Effect<void, E, Scope.Scope>,
  allowed = roomy
) =>
  Effect.gen(function* () {
    const kept = stores()
    yield* test(yield* open(kept, allowed), kept)
  }).pipe(Effect.scoped)

const refusal = (begun: Effect.Effect<string, { readonly _tag: string }>) =>
  Effect.match(begun, {
    onSuccess: () => "begun",
    onFailure: (error) =>
      "whose" in error ? `${error.whose} ${"open" in error ? error.open : ""}` : error._tag
  })

describe("the limits of open uploads", () => {
  it.effect("count all uploads, and those of a client", () =>
    scene(
      (sessions) =>
        Effect.gen(function* () {
          const first = yield* sessions.begin("a", "one")
          yield* sessions.begin("b", "one")
          assert.strictEqual(yield* refusal(sessions.begin("a", "one")), "client 2")
          const other = yield* sessions.begin("a", "two")
          assert.strictEqual(sessions.open(), 3)
          assert.strictEqual(yield* refusal(sessions.begin("a", "three")), "all 3")
          yield* sessions.abort("a", other)
          assert.strictEqual(yield* refusal(sessions.begin("a", "one")), "client 2")
          yield* sessions.abort("a", first)
          assert.strictEqual(yield* refusal(sessions.begin("a", "one")), "begun")
          assert.strictEqual(yield* refusal(sessions.begin("a", "one")), "client 2")
        }),
      { uploads: 3, uploadsPerClient: 2 }
    )
  )

  it.effect("give back the place of an upload that is committed, mismatched, aborted or expired", () =>
    scene(
      (sessions) =>
        Effect.gen(function* () {
          const begin = sessions.begin("a", "one")
          const committed = yield* begin
          yield* sessions.append("a", committed, undefined, body("x"))
          yield* sessions.commit("a", committed, digestOf(text("x")))
          const mismatched = yield* begin
          const wrong = yield* Effect.flip(sessions.commit("a", mismatched, digestOf(text("y"))))
          assert.strictEqual(wrong._tag, "DigestMismatch")
          assert.strictEqual((yield* Effect.flip(sessions.size("a", mismatched)))._tag, "UploadUnknown")
          yield* sessions.abort("a", yield* begin)
          yield* begin
          yield* TestClock.adjust("25 hours")
          yield* begin
          assert.strictEqual(yield* refusal(begin), "all 1")
        }),
      { uploads: 1, uploadsPerClient: 1 }
    )
  )

  it.effect("count an upload while the store is still opening it, and no longer if that fails", () =>
    scene(
      (sessions, { blobs }) =>
        Effect.gen(function* () {
          const gate = yield* Deferred.make<void, BlobStoreError>()
          const { createUpload } = blobs
          Object.assign(blobs, { createUpload: Effect.andThen(Deferred.await(gate), createUpload) })
          const opening = [
            yield* Effect.forkChild(Effect.exit(sessions.begin("a", "one"))),
            yield* Effect.forkChild(Effect.exit(sessions.begin("a", "two")))
          ]
          yield* settle
          assert.strictEqual(yield* refusal(sessions.begin("a", "three")), "all 0")
          yield* Deferred.fail(gate, new BlobStoreError({ reason: "io", message: "no" }))
          for (const fiber of opening) assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
          Object.assign(blobs, { createUpload })
          assert.strictEqual(yield* refusal(sessions.begin("a", "one")), "begun")
          assert.strictEqual(yield* refusal(sessions.begin("a", "one")), "client 1")
          assert.strictEqual(yield* refusal(sessions.begin("a", "two")), "begun")
        }),
      { uploads: 2, uploadsPerClient: 1 }
    )
  )

  it.effect("do not count an upload that the tables did not store, which the blob store drops", () =>
    scene(
      (sessions, { blobs, tables }) =>
        Effect.gen(function* () {
          tables.failing = true
          assert.strictEqual(yield* refusal(sessions.begin("a", "one")), "TableStoreError")
          assert.deepStrictEqual([sessions.open(), blobs.uploads.size], [0, 0])
          tables.failing = false
          assert.strictEqual(yield* refusal(sessions.begin("a", "one")), "begun")
        }),
      { uploads: 1, uploadsPerClient: 1 }
    )
  )
})

describe("an upload session", () => {
  it.effect("appends at the end, or at the given offset if that is the end", () =>
    scene((sessions) =>
      Effect.gen(function* () {
        const upload = yield* sessions.begin("a", "one")
        assert.strictEqual(yield* sessions.append("a", upload, undefined, body("ab")), 2)
        assert.strictEqual(yield* sessions.append("a", upload, 2, body("c")), 3)
        const wrong = yield* Effect.flip(sessions.append("a", upload, 2, body("d")))
        assert.strictEqual(wrong._tag, "UploadOffsetWrong")
        assert.strictEqual(yield* sessions.size("a", upload), 3)
        const stat = yield* sessions.commit("a", upload, digestOf(text("abc")))
        assert.strictEqual(stat.length, 3)
        assert.strictEqual((yield* Effect.flip(sessions.abort("a", upload)))._tag, "UploadUnknown")
      })
    )
  )

  it.effect("is unknown to other repositories in every operation", () =>
    scene((sessions, { blobs }) =>
      Effect.gen(function* () {
        const upload = yield* sessions.begin("a", "one")
        const operations: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
          sessions.size("b", upload),
          sessions.append("b", upload, undefined, body("x")),
          sessions.commit("b", upload, digestOf(text(""))),
          sessions.abort("b", upload)
        ]
        for (const operation of operations) {
          assert.strictEqual((yield* Effect.flip(operation))._tag, "UploadUnknown")
        }
        assert.strictEqual(blobs.uploads.size, 1)
        assert.strictEqual(yield* sessions.size("a", upload), 0)
      })
    )
  )

  it.effect("has one writer at a time, and accepts the next after a failure", () =>
    scene((sessions) =>
      Effect.gen(function* () {
        const upload = yield* sessions.begin("a", "one")
        const gate = yield* Deferred.make<void>()
        const slow = Stream.fromEffect(Effect.as(Deferred.await(gate), text("x")))
        const writing = yield* Effect.forkChild(sessions.append("a", upload, undefined, slow))
        yield* settle
        const operations: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
          sessions.append("a", upload, undefined, body("y")),
          sessions.commit("a", upload, digestOf(text("y"))),
          sessions.abort("a", upload)
        ]
        for (const operation of operations) {
          assert.strictEqual((yield* Effect.flip(operation))._tag, "UploadBusy")
        }
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual(yield* Fiber.join(writing), 1)
        yield* Effect.flip(sessions.append("a", upload, undefined, Stream.fail("reset")))
        assert.strictEqual(yield* sessions.append("a", upload, undefined, body("y")), 2)
      })
    )
  )

  it.effect("is dropped a day after its last request, and not before", () =>
    scene((sessions, { blobs, tables }) =>
      Effect.gen(function* () {
        const idle = yield* sessions.begin("a", "one")
        const asked = yield* sessions.begin("a", "one")
        yield* TestClock.adjust("12 hours")
        yield* sessions.size("a", asked)
        yield* TestClock.adjust("719 minutes")
        assert.deepStrictEqual([...blobs.uploads.keys()], [idle, asked])
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual([...blobs.uploads.keys()], [asked])
        assert.deepStrictEqual(tables.rows("upload-sessions"), [asked])
        yield* TestClock.adjust("12 hours")
        assert.strictEqual(sessions.open(), 0)
      })
    )
  )

  it.effect("is not dropped during a request, nor within a day after its end", () =>
    scene((sessions) =>
      Effect.gen(function* () {
        const upload = yield* sessions.begin("a", "one")
        const gate = yield* Deferred.make<void>()
        const slow = Stream.fromEffect(Effect.as(Deferred.await(gate), text("x")))
        const writing = yield* Effect.forkChild(sessions.append("a", upload, undefined, slow))
        yield* TestClock.adjust("30 hours")
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(writing)
        yield* TestClock.adjust("23 hours")
        assert.strictEqual(sessions.open(), 1)
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(sessions.open(), 0)
      })
    )
  )

  it.effect("is dropped later if the store fails, and at once if the store no longer has it", () =>
    scene((sessions, { blobs }) =>
      Effect.gen(function* () {
        const upload = yield* sessions.begin("a", "one")
        const { abortUpload } = blobs
        const failure = new BlobStoreError({ reason: "io", message: "no" })
        Object.assign(blobs, { abortUpload: () => Effect.fail(failure) })
        yield* TestClock.adjust("24 hours")
        assert.strictEqual(sessions.open(), 1)
        Object.assign(blobs, { abortUpload })
        blobs.uploads.delete(upload)
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(sessions.open(), 0)
      })
    )
  )
})

describe("a restart", () => {
  it.effect("keeps the sessions of every repository, which count for no client and as just used", () =>
    Effect.gen(function* () {
      const kept = stores()
      const names = ["a", "b", "c", "d", "e"]
      const life = yield* Scope.make()
      const before = yield* Scope.provide(open(kept), life)
      const uploads = yield* Effect.forEach(names, (name) => before.begin(name, "one"))
      yield* TestClock.adjust("23 hours")
      yield* Scope.close(life, Exit.void)
      const sessions = yield* open(kept, { uploads: 6, uploadsPerClient: 1 })
      assert.strictEqual(sessions.open(), 5)
      for (const [index, name] of names.entries()) yield* sessions.size(name, uploads[index] ?? "")
      assert.strictEqual(yield* refusal(sessions.begin("a", "one")), "begun")
      assert.strictEqual(yield* refusal(sessions.begin("a", "two")), "all 6")
      yield* sessions.abort("b", uploads[1] ?? "")
      assert.strictEqual(yield* refusal(sessions.begin("a", "one")), "client 1")
      yield* TestClock.adjust("23 hours")
      assert.strictEqual(sessions.open(), 5)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(sessions.open(), 0)
    }).pipe(Effect.scoped)
  )
})
