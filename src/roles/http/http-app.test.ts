// An app that is made on demand, tested with single requests. Other files test what the routes answer.

import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { madeWhenAsked } from "./http-app.ts"

describe("an app that is made on demand", () => {
  it.effect("is made by the first request, and once", () =>
    Effect.gen(function* () {
      let made = 0
      const app = yield* madeWhenAsked(
        Effect.sync(() => {
          made++
          return Effect.succeed(HttpServerResponse.text("here"))
        })
      )
      expect(made).toBe(0)
      const request = HttpServerRequest.fromWeb(new Request("http://agent/"))
      for (let times = 0; times < 2; times++) {
        const answer = yield* Effect.provideService(app, HttpServerRequest.HttpServerRequest, request)
        expect(answer.status).toBe(200)
      }
      expect(made).toBe(1)
    })
  )
})
