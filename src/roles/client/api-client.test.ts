// An HTTP API between roles from the client's call to the handler and back: the request arrives, a handler's failure
// becomes the call's failure, and any other answer is the member's failure.

import { assert, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import fc from "fast-check"
import { describe } from "vitest"
import { refusesWith } from "../http/api-refusals.ts"
import { Answering, apiRoutes } from "../http/api-routes.ts"
import { madeWhenAsked, makeHttpApp } from "../http/http-app.ts"
import { DigestText, NamespaceText, RepositoryText } from "../http/wire-schema.ts"
import { type OciError, ociError, parseOciError } from "../oci/oci-error.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { apiClient } from "./api-client.ts"
import { makeUpstreams, UpstreamFailed } from "./upstreams.ts"

const Shelf = HttpApi.make("shelf")
  .add(
    HttpApiGroup.make("book").add(
      HttpApiEndpoint.get("get", "/shelves/:repository/books/:digest", {
        params: { repository: RepositoryText, digest: DigestText },
        query: { since: Schema.optionalKey(Schema.FiniteFromString) },
        headers: { "if-none-match": Schema.optionalKey(Schema.String) },
        success: [Schema.Struct({ title: Schema.String }), HttpApiSchema.Empty(304)],
        error: refusesWith(400, 404)
      }),
      HttpApiEndpoint.put("put", "/shelves/:repository/books/:digest", {
        params: { repository: RepositoryText, digest: DigestText },
        payload: Schema.Struct({ title: Schema.String.check(Schema.isMaxLength(5)) }),
        success: HttpApiSchema.Created,
        error: refusesWith(403)
      })
    ),
    HttpApiGroup.make("room").add(
      HttpApiEndpoint.get("get", "/rooms/:namespace", {
        params: { namespace: NamespaceText },
        success: Schema.Struct({ namespace: Schema.String })
      })
    ),
    HttpApiGroup.make("pages").add(
      HttpApiEndpoint.get("get", "/pages", {
        success: [
          Schema.Uint8Array.pipe(HttpApiSchema.asUint8Array()),
          Schema.String.pipe(HttpApiSchema.asText(), HttpApiSchema.status(202))
        ]
      })
    )
  )
  .middleware(Answering)

const shelf = apiClient(Shelf)
const digest = `sha256:${"ab".repeat(32)}`
const book = { params: { repository: "old/books", digest: Schema.decodeUnknownSync(DigestText)(digest) } }

interface Seen {
  readonly counted: string[]
  readonly asked: unknown[]
}

/** A member whose answers may be corrupted in transit. */
const member = (
  pages: () => Effect.Effect<Uint8Array | string> = () => Effect.succeed(new Uint8Array([1, 2, 3])),
  spoil: (response: HttpServerResponse.HttpServerResponse) => HttpServerResponse.HttpServerResponse = (
    response
  ) => response
) =>
  Effect.gen(function* () {
    const seen: Seen = { counted: [], asked: [] }
    const handlers = Layer.mergeAll(
      HttpApiBuilder.group(Shelf, "book", (group) =>
        group
          .handle("get", ({ params, query, headers }) => {
            seen.asked.push({ ...params, ...query, ...headers })
            if (headers["if-none-match"] !== undefined) return Effect.succeed(undefined)
            return query.since === 404
              ? Effect.fail(ociError("BLOB_UNKNOWN", { message: "no such book", detail: { shelf: 1 } }))
              : Effect.succeed({ title: "Snow" })
          })
          .handle("put", ({ payload }) => {
            seen.asked.push(payload)
            return Effect.void
          })
      ),
      HttpApiBuilder.group(Shelf, "room", (group) =>
        group.handle("get", ({ params }) => Effect.succeed(params))
      ),
      HttpApiBuilder.group(Shelf, "pages", (group) => group.handle("get", pages))
    )
    const routes = yield* apiRoutes(Shelf, handlers, {
      role: "the shelf",
      counter: (method, route, status) => seen.counted.push(`${method} ${route} ${status}`),
      routeName: (group) => `/shelf ${group}`
    })
    const metrics = makeRoleMetrics("shelf")
    const app = yield* makeHttpApp(routes, { metrics, notReady: Effect.succeed([]) })
    const client = HttpClient.make((request) =>
      app.pipe(
        Effect.provideService(
          HttpServerRequest.HttpServerRequest,
          HttpServerRequest.fromClientRequest(request)
        ),
        Effect.scoped,
        Effect.map((response) => HttpServerResponse.toClientResponse(spoil(response), { request }))
      )
    )
    const upstreams = yield* Effect.provideService(makeUpstreams, HttpClient.HttpClient, client)
    const send = (request: HttpClientRequest.HttpClientRequest) =>
      Effect.flatMap(client.execute(request), (response) =>
        Effect.map(response.text, (text) => ({ status: response.status, headers: response.headers, text }))
      )
    return { ...seen, send, upstreams }
  })

const url = "http://shelf:1"
const within = 1_000_000

describe("an API between roles", () => {
  it.effect("carries parameters, queries, headers and bodies of every kind", () =>
    Effect.gen(function* () {
      const { upstreams, asked, counted } = yield* member()
      const got = yield* upstreams.call(
        url,
        within,
        shelf.book.get({ ...book, query: { since: 7 }, headers: {} })
      )
      assert.deepStrictEqual(got, { title: "Snow" })
      const same = { ...book, query: {}, headers: { "if-none-match": "x" } }
      assert.strictEqual(yield* upstreams.call(url, within, shelf.book.get(same)), undefined)
      assert.strictEqual(
        yield* upstreams.call(url, within, shelf.book.put({ ...book, payload: { title: "Ice" } })),
        undefined
      )
      assert.deepStrictEqual(asked, [
        { ...book.params, since: 7 },
        { ...book.params, "if-none-match": "x" },
        { title: "Ice" }
      ])
      assert.deepStrictEqual(
        yield* upstreams.call(url, within, shelf.pages.get({})),
        new Uint8Array([1, 2, 3])
      )
      assert.deepStrictEqual(counted, [
        "GET /shelf book 200",
        "GET /shelf book 304",
        "PUT /shelf book 201",
        "GET /shelf pages 200"
      ])
    })
  )

  it.effect("returns a parameter unchanged, whatever it contains", () =>
    Effect.gen(function* () {
      const { upstreams } = yield* member()
      const text = fc.string({ minLength: 1, maxLength: 40, unit: "grapheme" })
      const namespaces = fc.sample(
        text.filter((name) => name !== "." && name !== ".."),
        200
      )
      for (const namespace of [...namespaces, "old/books", "%2F", "a%", "ä:b?c#d"]) {
        const got = yield* upstreams.call(url, within, shelf.room.get({ params: { namespace } }))
        assert.strictEqual(got.namespace, namespace)
      }
    })
  )

  it.effect("reads each status by its own schema", () =>
    Effect.gen(function* () {
      const { upstreams } = yield* member(() => Effect.succeed("on its way"))
      assert.strictEqual(yield* upstreams.call(url, within, shelf.pages.get({})), "on its way")
    })
  )

  it.effect("fails with what the handler fails with", () =>
    Effect.gen(function* () {
      const { upstreams } = yield* member()
      const lacking = shelf.book.get({ ...book, query: { since: 404 }, headers: {} })
      const error = yield* Effect.flip(upstreams.call(url, within, lacking))
      assert.strictEqual(error._tag, "OciError")
      const { code, status, message, detail } = error as OciError
      assert.deepStrictEqual(
        [code, status, message, detail],
        ["BLOB_UNKNOWN", 404, "no such book", { shelf: 1 }]
      )
    })
  )

  it.effect("leaves the check of a body to the member that is asked", () =>
    Effect.gen(function* () {
      const { upstreams } = yield* member()
      const long = shelf.book.put({ ...book, payload: { title: "longer" } })
      const error = yield* Effect.flip(upstreams.call(url, within, long))
      assert.deepInclude(error, { _tag: "OciError", status: 400 })
    })
  )

  it.effect("refuses misfits in OCI's words, and methods that a path does not have", () =>
    Effect.gen(function* () {
      const { send, counted } = yield* member()
      const path = `${url}/shelves/old%2Fbooks/books/${digest}`
      const put = (body: string) =>
        HttpClientRequest.bodyText(HttpClientRequest.put(path), body, "application/json")
      const cases = [
        [HttpClientRequest.get(path.replace("old%2Fbooks", "OLD")), 400, "NAME_INVALID"],
        [HttpClientRequest.get(path.replace("sha256", "md5")), 400, "DIGEST_INVALID"],
        [HttpClientRequest.get(`${path}?since=yesterday`), 400, "REQUEST_INVALID"],
        [put('{"title":"longer"}'), 400, "REQUEST_INVALID"],
        [put("{"), 400, "REQUEST_INVALID"],
        [HttpClientRequest.delete(path), 405, "UNSUPPORTED"],
        [HttpClientRequest.get(`${url}/shelves`), 404, "UNSUPPORTED"]
      ] as const
      for (const [request, status, code] of cases) {
        const answer = yield* send(request)
        assert.deepStrictEqual(
          [answer.status, parseOciError(status, answer.text)?.code],
          [status, code],
          request.url
        )
      }
      const { headers } = yield* send(HttpClientRequest.delete(path))
      assert.strictEqual(headers.allow, "GET, PUT")
      assert.include(counted, "DELETE /shelf book 405")
    })
  )

  it.effect("answers each request for itself when the app is made with the first one", () =>
    Effect.gen(function* () {
      const routes = apiRoutes(
        Shelf,
        Layer.mergeAll(
          HttpApiBuilder.group(Shelf, "book", (group) =>
            group
              .handle("get", () => Effect.succeed(undefined))
              .handleRaw("put", () =>
                Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ url: asked }) =>
                  Effect.fail(ociError("DENIED", { message: asked }))
                )
              )
          ),
          HttpApiBuilder.group(Shelf, "room", (group) =>
            group.handle("get", ({ params }) => Effect.succeed(params))
          ),
          HttpApiBuilder.group(Shelf, "pages", (group) => group.handle("get", () => Effect.succeed("")))
        ),
        { role: "the shelf", counter: () => {}, routeName: (group) => group }
      )
      const metrics = makeRoleMetrics("shelf")
      const app = yield* madeWhenAsked(
        Effect.flatMap(routes, (made) => makeHttpApp(made, { metrics, notReady: Effect.succeed([]) }))
      )
      for (const shelfName of ["first", "second"]) {
        const request = HttpServerRequest.fromWeb(
          new Request(`${url}/shelves/${shelfName}/books/${digest}`, { method: "PUT" })
        )
        const response = yield* Effect.scoped(
          Effect.provideService(app, HttpServerRequest.HttpServerRequest, request)
        )
        const { text } = HttpServerResponse.toClientResponse(response, {
          request: HttpClientRequest.get(url)
        })
        assert.include(yield* text, shelfName)
      }
    })
  )

  it.effect("answers a defect with 500, which is the member's failure", () =>
    Effect.gen(function* () {
      const { upstreams, counted } = yield* member(() => Effect.die(new Error("shelf fell")))
      const error = yield* Effect.flip(upstreams.call(url, within, shelf.pages.get({})))
      assert.instanceOf(error, UpstreamFailed)
      assert.include(error.message, "GET http://shelf:1/pages was answered 500")
      assert.deepStrictEqual(counted, ["GET /shelf pages 500"])
    })
  )

  it.effect("turns other JSON, and refusals in another form, into the member's failure", () =>
    Effect.gen(function* () {
      const ask = shelf.book.get({ ...book, query: {}, headers: {} })
      const spoilt = [
        [
          HttpServerResponse.text('{"name":"Snow"}', { contentType: "application/json" }),
          "answered other JSON"
        ],
        [HttpServerResponse.text("{", { contentType: "application/json" }), "failed: "],
        [
          HttpServerResponse.text("<h1>Forbidden</h1>", { status: 403 }),
          "was answered 403: <h1>Forbidden</h1>"
        ]
      ] as const
      for (const [response, why] of spoilt) {
        const { upstreams } = yield* member(undefined, () => response)
        const error = yield* Effect.flip(upstreams.call(url, within, ask))
        assert.instanceOf(error, UpstreamFailed)
        assert.include(error.message, why)
      }
    })
  )

  it.effect("sends nothing that its endpoint does not accept, and blames no member for it", () =>
    Effect.gen(function* () {
      const { upstreams, asked } = yield* member()
      const bad = shelf.book.get({ params: { ...book.params, repository: "OLD" }, query: {}, headers: {} })
      const error = yield* Effect.flip(upstreams.call(url, within, bad))
      assert.instanceOf(error, UpstreamFailed)
      assert.deepStrictEqual(asked, [])
      assert.deepStrictEqual(yield* upstreams.awake([url]), [url])
    })
  )
})
