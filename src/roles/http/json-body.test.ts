// A small document in the body of a request: it is decoded, or answered with a 400 that says why not.

import { assert, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { HttpServerRequest } from "effect/http"
import { describe } from "vitest"
import { jsonBody } from "./json-body.ts"

const most = 40
const read = (body: string) =>
  Effect.provideService(
    jsonBody(Schema.Struct({ name: Schema.String }), "a name", most),
    HttpServerRequest.HttpServerRequest,
    HttpServerRequest.fromWeb(new Request("http://host/", { method: "POST", body }))
  )

const ofLength = (length: number) => `{"name":"${"x".repeat(length - '{"name":""}'.length)}"}`

describe("a small document in a body", () => {
  it.effect("is read up to the bound, and not a byte further", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* read(ofLength(most))).name.length, most - 11)
      const refused = yield* Effect.flip(read(ofLength(most + 1)))
      assert.deepStrictEqual([refused.status, refused.code], [400, "SIZE_INVALID"])
      assert.include(refused.message, "more than 40 bytes")
    })
  )

  it.effect("that is not JSON, or other JSON, is refused", () =>
    Effect.gen(function* () {
      for (const body of ["", "{", "[]", '{"name":1}', "\xff"]) {
        const refused = yield* Effect.flip(read(body))
        assert.deepStrictEqual([refused.status, refused.code], [400, "REQUEST_INVALID"], body)
        assert.match(refused.message, /^not a name: /)
      }
    })
  )
})
