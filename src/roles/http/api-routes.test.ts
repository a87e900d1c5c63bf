// What an API's routes answer is what the API declares: an undeclared status is told, and every path has 405.

import { assert, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { makeRoleMetrics } from "../services/metrics.ts"
import { refusesWith } from "./api-refusals.ts"
import { Answering, apiRoutes, UndeclaredStatus } from "./api-routes.ts"
import { makeHttpApp } from "./http-app.ts"

const api = HttpApi.make("shelf")
  .add(
    HttpApiGroup.make("book")
      .add(
        HttpApiEndpoint.get("get", "/books", {
          query: { status: Schema.FiniteFromString },
          success: [HttpApiSchema.StreamUint8Array(), HttpApiSchema.Empty(304)],
          error: refusesWith(404)
        })
      )
      .add(HttpApiEndpoint.put("put", "/books", { success: HttpApiSchema.Created, error: refusesWith(403) }))
      .add(HttpApiEndpoint.post("lend", "/lent", { success: HttpApiSchema.Accepted }))
  )
  .middleware(Answering)

/** Answers as a request wants, and collects what is told of its statuses. */
const shelf = Effect.gen(function* () {
  const told: Array<string> = []
  const handlers = HttpApiBuilder.group(api, "book", (group) =>
    group
      .handleRaw("get", ({ query: { status } }) =>
        status === 500
          ? Effect.die(new Error("the shelf fell"))
          : Effect.succeed(HttpServerResponse.empty({ status }))
      )
      .handle("put", () => Effect.void)
      .handleRaw("lend", () => Effect.succeed(HttpServerResponse.empty({ status: 200 })))
  )
  const routes = yield* apiRoutes(api, handlers, {
    role: "the shelf",
    counter: () => {},
    routeName: (group) => group
  }).pipe(Effect.provideService(UndeclaredStatus, (message) => Effect.sync(() => void told.push(message))))
  const app = yield* makeHttpApp(routes, {
    metrics: makeRoleMetrics("shelf"),
    notReady: Effect.succeed([])
  })
  const ask = (method: string, path: string) => {
    const request = HttpServerRequest.fromWeb(new Request(`http://shelf:1${path}`, { method }))
    return Effect.scoped(Effect.provideService(app, HttpServerRequest.HttpServerRequest, request))
  }
  return { ask, told }
})

it.effect("a status that the endpoint declares is answered, and nothing is told", () =>
  Effect.gen(function* () {
    const { ask, told } = yield* shelf
    for (const status of [200, 304, 404, 500]) {
      assert.strictEqual((yield* ask("GET", `/books?status=${status}`)).status, status)
    }
    assert.strictEqual((yield* ask("PUT", "/books")).status, 201)
    assert.deepStrictEqual(told, [])
  })
)

it.effect("a status that only another endpoint declares is told", () =>
  Effect.gen(function* () {
    const { ask, told } = yield* shelf
    for (const status of [403, 409]) {
      assert.strictEqual((yield* ask("GET", `/books?status=${status}`)).status, status)
      assert.deepStrictEqual(told.splice(0), [
        `the shelf answers ${status} to GET /books, which its API does not declare`
      ])
    }
    // Only a stream has 200 without saying so.
    assert.strictEqual((yield* ask("POST", "/lent")).status, 200)
    assert.deepStrictEqual(told, ["the shelf answers 200 to POST /lent, which its API does not declare"])
  })
)

it.effect("a method that the path does not have is 405 with those that it has", () =>
  Effect.gen(function* () {
    const { ask, told } = yield* shelf
    for (const method of ["POST", "PATCH", "DELETE"]) {
      const { status, headers } = yield* ask(method, "/books")
      assert.deepStrictEqual([status, headers.allow], [405, "GET, PUT"])
    }
    assert.deepStrictEqual(told, [])
  })
)
