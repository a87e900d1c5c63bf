// Tests of refused requests of blob uploads over a herd in memory: each error has its code, its status and the headers
// with which a client goes on, and the upload stays as it was.

import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { errorCode, send } from "../../../testing/roles/exchange.ts"
import { inHerd, proxyUrl } from "../../../testing/roles/herd.ts"
import type { MemoryWorld } from "../../../testing/roles/memory-world.ts"
import { someBytes } from "../../../testing/roles/push.ts"
import { BlobStoreError } from "../services/blob-store.ts"
import { TableStoreError } from "../services/table-store.ts"
import { uploadFailure } from "./blob-upload.ts"
import { SinkUnavailable } from "./image-sink.ts"
import { storeFailure } from "./store-failure.ts"
import { TooManyUploads, UploadBusy } from "./upload-sessions.ts"

const uploadsUrl = `${proxyUrl}/v2/demo/app/blobs/uploads/`

/** An upload with 1000 bytes. */
const begun = (world: MemoryWorld) =>
  Effect.gen(function* () {
    const session = yield* send(world, "POST", uploadsUrl)
    const url = `${proxyUrl}${session.headers.location}`
    yield* send(world, "PATCH", url, { body: someBytes(1, 1000) })
    return { url, location: session.headers.location }
  })

describe("a chunk", () => {
  it.effect("with a malformed Content-Range is refused and adds nothing", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const { url } = yield* begun(world)
        const refused = yield* send(world, "PATCH", url, {
          body: someBytes(2, 10),
          headers: { "content-range": `${"x".repeat(80)}yz` }
        })
        assert.deepStrictEqual([refused.status, errorCode(refused)], [400, "BLOB_UPLOAD_INVALID"])
        assert.include(refused.text, "x".repeat(80))
        assert.notInclude(refused.text, "xy")
        assert.strictEqual((yield* send(world, "GET", url)).headers.range, "0-999")
      })
    )
  )

  it.effect("whose Content-Range and Content-Length differ is refused and adds nothing", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const { url } = yield* begun(world)
        for (const range of ["1000-1008", "1000-1010"]) {
          const refused = yield* send(world, "PATCH", url, {
            body: someBytes(2, 10),
            headers: { "content-range": range }
          })
          assert.deepStrictEqual([refused.status, errorCode(refused)], [400, "SIZE_INVALID"])
        }
        assert.strictEqual((yield* send(world, "GET", url)).headers.range, "0-999")
      })
    )
  )

  it.effect("that is shorter than its Content-Range is refused with the Range to go on from", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const { url, location } = yield* begun(world)
        const refused = yield* send(world, "PATCH", url, {
          body: Stream.succeed(someBytes(2, 10)),
          headers: { "content-range": "1000-1099" }
        })
        assert.deepStrictEqual([refused.status, errorCode(refused)], [400, "SIZE_INVALID"])
        assert.deepStrictEqual([refused.headers.range, refused.headers.location], ["0-1009", location])
      })
    )
  )

  it.effect("out of order is refused with the upload's id, Location and Range", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const { url, location } = yield* begun(world)
        const refused = yield* send(world, "PATCH", url, {
          body: someBytes(2, 10),
          headers: { "content-range": "0-9" }
        })
        assert.deepStrictEqual([refused.status, errorCode(refused)], [416, "BLOB_UPLOAD_INVALID"])
        assert.strictEqual(refused.headers.range, "0-999")
        assert.strictEqual(refused.headers.location, location)
        assert.strictEqual(location?.endsWith(refused.headers["docker-upload-uuid"] ?? "none"), true)
      })
    )
  )

  it.effect("that is empty adds nothing, and answers with the Range", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const { url } = yield* begun(world)
        const empty = yield* send(world, "PATCH", url)
        assert.deepStrictEqual([empty.status, empty.headers.range], [202, "0-999"])
        assert.strictEqual(empty.headers["content-length"], "0")
      })
    )
  )
})

describe("a request of an upload", () => {
  it.effect("may be HEAD, like GET, and no other method than those of the specification", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const { url } = yield* begun(world)
        const head = yield* send(world, "HEAD", url)
        assert.deepStrictEqual([head.status, head.headers.range], [204, "0-999"])
        assert.isUndefined(head.headers["content-length"])
        const post = yield* send(world, "POST", url)
        assert.deepStrictEqual([post.status, errorCode(post)], [405, "UNSUPPORTED"])
      })
    )
  )

  it.effect("opens a session for either digest algorithm, and for no other", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        for (const algorithm of ["sha256", "sha512"]) {
          const session = yield* send(world, "POST", `${uploadsUrl}?digest-algorithm=${algorithm}`)
          assert.strictEqual(session.status, 202)
        }
        const refused = yield* send(world, "POST", `${uploadsUrl}?digest-algorithm=md5`)
        assert.deepStrictEqual([refused.status, errorCode(refused)], [400, "DIGEST_INVALID"])
      })
    )
  )

  it.effect("with everything in one POST leaves no upload if it fails", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        const uploads = world.blobs("herd/origin").uploads
        const malformed = yield* send(world, "POST", `${uploadsUrl}?digest=sha256:bad`, { body: "x" })
        assert.deepStrictEqual([malformed.status, errorCode(malformed)], [400, "DIGEST_INVALID"])
        const digest = world.digests.digest("sha256", someBytes(1, 10))
        const chunk = { body: someBytes(1, 10), headers: { "content-range": "5-14" } }
        const wrong = yield* send(world, "POST", `${uploadsUrl}?digest=${digest}`, chunk)
        assert.deepStrictEqual([wrong.status, errorCode(wrong)], [416, "BLOB_UPLOAD_INVALID"])
        assert.strictEqual(uploads.size, 0)
      })
    )
  )

  it.effect("with a mount that cannot be answered opens a session instead", () =>
    inHerd((world) =>
      Effect.gen(function* () {
        world.unreachable.add("herd:15004")
        const digest = world.digests.digest("sha256", someBytes(1, 10))
        const mount = send(world, "POST", `${uploadsUrl}?mount=${digest}&from=demo/other`)
        const asking = yield* Effect.forkChild(mount)
        yield* TestClock.adjust("1 minute")
        const answered = yield* Fiber.join(asking)
        assert.deepStrictEqual([answered.status, answered.headers.range], [202, "0-0"])
      })
    )
  )
})

describe("a failure", () => {
  const upload = "id"
  const answer = ({ code, status, headers }: ReturnType<typeof uploadFailure>) => [
    code,
    status,
    headers["retry-after"]
  ]

  it("of an upload has a code, a status, and a time to retry after if that helps", () => {
    assert.deepStrictEqual(answer(uploadFailure(new UploadBusy({ upload }))), [
      "BLOB_UPLOAD_INVALID",
      409,
      undefined
    ])
    const all = uploadFailure(new TooManyUploads({ open: 3, whose: "all" }))
    const own = uploadFailure(new TooManyUploads({ open: 3, whose: "client" }))
    assert.deepStrictEqual(
      [answer(all), answer(own)],
      [
        ["TOOMANYREQUESTS", 429, "10"],
        ["TOOMANYREQUESTS", 429, "10"]
      ]
    )
    assert.match(all.message, /^3 uploads are open, .* of this registry/)
    assert.match(own.message, /^you have 3 uploads open, .* of a client/)
    const away = uploadFailure(new SinkUnavailable({ message: "no origin answers" }))
    assert.deepStrictEqual([...answer(away), away.message], ["UNAVAILABLE", 503, "1", "no origin answers"])
  })

  it("of a store is 507 if the disk is full, and 503 otherwise", () => {
    const failed = (reason: "full" | "io") => storeFailure(new BlobStoreError({ reason, message: "why" }))
    assert.deepStrictEqual(
      [answer(failed("full")), answer(failed("io"))],
      [
        ["UNAVAILABLE", 507, undefined],
        ["UNAVAILABLE", 503, undefined]
      ]
    )
    assert.include(failed("io").message, "why")
    const tables = storeFailure(new TableStoreError({ message: "why" }))
    assert.deepStrictEqual(answer(tables), ["UNAVAILABLE", 503, undefined])
    assert.include(tables.message, "why")
    assert.strictEqual(storeFailure(tables), tables)
  })
})
