// The limits of a client of upstream registries, over an upstream that hangs, stalls, or answers without end.

import { createHash } from "node:crypto"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { type Digest, makeDigest } from "../../protocol/wire/digest.ts"
import { AskLimits } from "../client/limits.ts"
import type { HttpApp } from "../http/http-app.ts"
import { OciLimits } from "../oci/limits.ts"
import { UpstreamLimits } from "./limits.ts"
import { upstreamConfig } from "./mirror-config.ts"
import { makeUpstreamRegistry, type UpstreamRegistry } from "./upstream-registry.ts"

const digest = `sha256:${"1".repeat(64)}` as Digest
const tag = { tag: "Tag", name: "1" } as const
const registryUrl = "https://hub.example:1"
const tokensUrl = "https://hub.example:2"

type Answer = (
  url: string,
  authorization: string | undefined
) => Effect.Effect<HttpServerResponse.HttpServerResponse>

/** A client of a registry that answers so, and the requests that came to it and to its token server. */
const withRegistry = (
  answers: { readonly registry: Answer; readonly tokens?: Answer },
  limits: Partial<UpstreamLimits & AskLimits & OciLimits> = {}
) =>
  Effect.gen(function* () {
    const world = makeMemoryWorld((_, bytes) =>
      makeDigest("sha256", createHash("sha256").update(bytes).digest())
    )
    const seen: string[] = []
    const appOf = (answer: Answer): HttpApp =>
      Effect.gen(function* () {
        const { url, headers } = yield* HttpServerRequest.HttpServerRequest
        seen.push(url)
        return yield* answer(url, headers.authorization)
      })
    const listeners = [
      { name: "registry", listen: { host: "hub.example", port: 1 }, app: appOf(answers.registry) },
      {
        name: "tokens",
        listen: { host: "hub.example", port: 2 },
        app: appOf(answers.tokens ?? (() => Effect.never))
      }
    ]
    yield* world.start(Effect.succeed({ listeners }))
    const make = Effect.provideContext(
      makeUpstreamRegistry(upstreamConfig({ name: "hub.example", url: registryUrl })),
      world.services
    )
    const quick = {
      upstreamHeadersTimeout: seconds(3),
      upstreamAnswerTimeout: seconds(5),
      upstreamPause: seconds(10)
    }
    const registry = yield* withLimits(
      withLimits(withLimits(make, UpstreamLimits, { ...quick, ...limits }), AskLimits, limits),
      OciLimits,
      limits
    )
    return { registry, seen, world }
  })

/** The seconds of the test clock until it ends, and its failure. */
const outcomeOf = <A, E extends { readonly message?: string }>(asked: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const asking = yield* Effect.forkChild(Effect.flip(asked))
    for (let second = 0; second < 200; second++) {
      yield* Effect.repeat(Effect.yieldNow, { times: 50 })
      if (asking.pollUnsafe() !== undefined) {
        const error = yield* Effect.orDie(Fiber.join(asking))
        return { after: second, message: error.message ?? "" }
      }
      yield* TestClock.adjust("1 seconds")
    }
    yield* Fiber.interrupt(asking)
    return { after: Number.POSITIVE_INFINITY, message: "" }
  })

const ok = HttpServerResponse.empty({ status: 200 })
const lacking = HttpServerResponse.empty({ status: 404 })
const endless = Stream.forever(Stream.succeed(new Uint8Array(100)))
const unauthorized = (body?: Stream.Stream<Uint8Array>) => {
  const headers = { "www-authenticate": `Bearer realm="${tokensUrl}/token",service="fake"` }
  return body === undefined
    ? HttpServerResponse.empty({ status: 401, headers })
    : HttpServerResponse.stream(body, { status: 401, headers })
}

describe("a question to an upstream", () => {
  const head = (registry: UpstreamRegistry) => registry.head("a/b", tag)

  it.effect("fails when headers take longer than upstreamHeadersTimeout, the token server's too", () =>
    Effect.gen(function* () {
      const hanging = yield* withRegistry({ registry: () => Effect.never })
      assert.include(yield* outcomeOf(head(hanging.registry)), { after: 3 })
      const noToken = yield* withRegistry({ registry: () => Effect.succeed(unauthorized()) })
      const outcome = yield* outcomeOf(head(noToken.registry))
      assert.strictEqual(outcome.after, 3)
      assert.include(outcome.message, "token server hub.example:2 did not answer within 3 s")
    })
  )

  it.effect(
    "fails when it takes longer than upstreamAnswerTimeout with its redirects, or its body does",
    () =>
      Effect.gen(function* () {
        const turning = yield* withRegistry({
          registry: (url) =>
            Effect.delay(
              Effect.succeed(
                HttpServerResponse.empty({ status: 307, headers: { location: `${registryUrl}${url}x` } })
              ),
              "2 seconds"
            )
        })
        const outcome = yield* outcomeOf(head(turning.registry))
        assert.strictEqual(outcome.after, 5)
        assert.include(outcome.message, "did not answer within 5 s")
        const stalling = yield* withRegistry({
          registry: () => Effect.succeed(HttpServerResponse.stream(Stream.never))
        })
        assert.include(yield* outcomeOf(stalling.registry.manifest("a/b", tag)), { after: 5 })
      })
  )

  it.effect("is not asked for upstreamPause after one that failed", () =>
    Effect.gen(function* () {
      let hops = 0
      const failing: Record<string, Answer> = {
        hangs: () => Effect.never,
        "is overloaded": () => Effect.succeed(HttpServerResponse.empty({ status: 429 })),
        "turns slowly": () =>
          Effect.delay(
            Effect.sync(() =>
              HttpServerResponse.empty({ status: 307, headers: { location: `${registryUrl}/v2/${hops++}` } })
            ),
            "2 seconds"
          )
      }
      for (const [name, registry] of Object.entries(failing)) {
        const upstream = yield* withRegistry({ registry })
        yield* outcomeOf(head(upstream.registry))
        upstream.seen.length = 0
        yield* TestClock.adjust("9 seconds")
        assert.include((yield* outcomeOf(head(upstream.registry))).message, "not asked again", name)
        assert.deepStrictEqual(upstream.seen, [], name)
        yield* TestClock.adjust("1 seconds")
        yield* outcomeOf(head(upstream.registry))
        assert.isNotEmpty(upstream.seen, name)
      }
    })
  )

  it.effect("reads maxRefusalBytes of a body that it does not need", () =>
    Effect.gen(function* () {
      const location = { location: `${registryUrl}/elsewhere` }
      const answers: Record<string, Answer> = {
        redirect: (url) =>
          Effect.succeed(
            url === "/elsewhere"
              ? lacking
              : HttpServerResponse.stream(endless, { status: 307, headers: location })
          ),
        challenge: (_, authorization) =>
          Effect.succeed(authorization === undefined ? unauthorized(endless) : lacking),
        refusal: () => Effect.succeed(HttpServerResponse.stream(endless, { status: 404 }))
      }
      const tokens = () => Effect.succeed(HttpServerResponse.text('{"token":"t"}'))
      for (const [name, registry] of Object.entries(answers)) {
        const upstream = yield* withRegistry({ registry, tokens }, { maxRefusalBytes: 1000 })
        const outcome = yield* outcomeOf(upstream.registry.manifest("a/b", tag))
        assert.strictEqual(outcome.after, 0, name)
      }
    })
  )

  it.effect("reads maxManifestBytes of a manifest, of tags and of referrers", () =>
    Effect.gen(function* () {
      const long = () => Effect.succeed(HttpServerResponse.stream(endless))
      const { registry } = yield* withRegistry({ registry: long }, { maxManifestBytes: 1000 })
      for (const asked of [
        Effect.asVoid(registry.manifest("a/b", tag)),
        Effect.asVoid(registry.tags("a/b", { limit: 1 })),
        Effect.asVoid(registry.referrers("a/b", digest))
      ]) {
        assert.include((yield* outcomeOf(asked)).message, "has more than 1000 bytes")
      }
    })
  )
})

const bytesOf = (registry: UpstreamRegistry) =>
  Stream.unwrap(Effect.map(registry.blob("a/b", digest), ({ bytes }) => bytes))
const drained = (registry: UpstreamRegistry) => Stream.runDrain(bytesOf(registry))

describe("the bytes of a blob", () => {
  it.effect("are asked for again where they stalled for httpTimeout, maxUpstreamBreaks times", () =>
    Effect.gen(function* () {
      const limits = { httpTimeout: seconds(20), maxUpstreamBreaks: 2 }
      const registry: Answer = () =>
        Effect.succeed(HttpServerResponse.stream(Stream.never, { contentLength: 10 }))
      const upstream = yield* withRegistry({ registry }, limits)
      const outcome = yield* outcomeOf(drained(upstream.registry))
      assert.deepStrictEqual([outcome.after, upstream.seen.length], [60, 3])
      assert.include(outcome.message, "20 s")
    })
  )

  it.effect("are resumed only by the range that was asked for, or from the beginning", () =>
    Effect.gen(function* () {
      const rest = (status: number, range: string | undefined, bytes: ReadonlyArray<number>) =>
        HttpServerResponse.uint8Array(new Uint8Array(bytes), {
          status,
          headers: range === undefined ? {} : { "content-range": range }
        })
      const pulled = (second: HttpServerResponse.HttpServerResponse) =>
        Effect.gen(function* () {
          let times = 0
          const registry: Answer = () =>
            Effect.sync(() =>
              times++ === 0
                ? HttpServerResponse.stream(Stream.succeed(new Uint8Array([1, 2])), { contentLength: 4 })
                : second
            )
          const { registry: upstream } = yield* withRegistry({ registry }, { maxRefusalBytes: 1000 })
          return yield* Effect.match(Stream.runCollect(bytesOf(upstream)), {
            onSuccess: (chunks) => chunks.flatMap((chunk) => [...chunk]),
            onFailure: ({ message }) => /another one|answered 203/.exec(message)?.[0] ?? message
          })
        })
      assert.deepStrictEqual(yield* pulled(rest(206, "bytes 2-3/4", [3, 4])), [1, 2, 3, 4])
      assert.deepStrictEqual(yield* pulled(rest(200, undefined, [1, 2, 3, 4])), [1, 2, 3, 4])
      assert.deepStrictEqual(yield* pulled(rest(200, "bytes 2-3/4", [1, 2, 3, 4])), [1, 2, 3, 4])
      for (const range of ["bytes 1-3/4", "bytes 2-3/*", "2-3/4", undefined]) {
        assert.strictEqual(yield* pulled(rest(206, range, [3, 4])), "another one", range)
      }
      assert.strictEqual(yield* pulled(rest(203, undefined, [1, 2, 3, 4])), "answered 203")
    })
  )

  it.effect("of another range than the one asked for are not read beyond maxRefusalBytes", () =>
    Effect.gen(function* () {
      let times = 0
      const registry: Answer = () =>
        Effect.sync(() =>
          times++ === 0
            ? HttpServerResponse.stream(Stream.succeed(new Uint8Array(5)), { contentLength: 10 })
            : HttpServerResponse.stream(endless, {
                status: 206,
                headers: { "content-range": "bytes 0-9/10" }
              })
        )
      const upstream = yield* withRegistry({ registry }, { maxRefusalBytes: 1000 })
      const outcome = yield* outcomeOf(drained(upstream.registry))
      assert.strictEqual(outcome.after, 0)
      assert.include(outcome.message, "range")
    })
  )
})

describe("tokens", () => {
  const bearer: Answer = (_, authorization) =>
    Effect.succeed(authorization === undefined ? unauthorized() : ok)
  const tokenOf = (more: object = {}) => HttpServerResponse.text(JSON.stringify({ token: "t", ...more }))

  it.effect("are read up to maxTokenBytes, and so is a refusal of one", () =>
    Effect.gen(function* () {
      for (const [status, why] of [
        [200, "has more than 100 bytes"],
        [500, "answered 500"]
      ] as const) {
        const tokens = () => Effect.succeed(HttpServerResponse.stream(endless, { status }))
        const { registry } = yield* withRegistry({ registry: bearer, tokens }, { maxTokenBytes: 100 })
        const outcome = yield* outcomeOf(registry.head("a/b", tag))
        assert.strictEqual(outcome.after, 0)
        assert.include(outcome.message, why)
      }
    })
  )

  it.effect(
    "are used for a part of the time that they are good for: a minute unless the server says more",
    () =>
      Effect.gen(function* () {
        const usedFor = (more: object) =>
          Effect.gen(function* () {
            const tokens = () => Effect.succeed(tokenOf(more))
            const { registry, seen } = yield* withRegistry({ registry: bearer, tokens }, { tokenUse: 0.5 })
            yield* registry.head("a/b", tag)
            for (let second = 0; second < 60; second++) {
              seen.length = 0
              yield* registry.head("a/b", tag)
              if (seen.some((url) => url.startsWith("/token"))) return second
              yield* TestClock.adjust("1 seconds")
            }
            return 60
          })
        assert.strictEqual(yield* usedFor({}), 30)
        assert.strictEqual(yield* usedFor({ expires_in: 20 }), 10)
        assert.strictEqual(yield* usedFor({ expires_in: 0 }), 0)
        assert.strictEqual(yield* usedFor({ expires_in: -5 }), 0)
      })
  )

  it.effect("are read from either key, and are refused when they are no text of a header", () =>
    Effect.gen(function* () {
      const headed = (document: object) =>
        Effect.gen(function* () {
          const authorizations: Array<string | undefined> = []
          const registry: Answer = (request, authorization) => {
            authorizations.push(authorization)
            return bearer(request, authorization)
          }
          const tokens = () => Effect.succeed(HttpServerResponse.text(JSON.stringify(document)))
          const upstream = yield* withRegistry({ registry, tokens }, {})
          return yield* Effect.match(upstream.registry.head("a/b", tag), {
            onSuccess: () => authorizations.at(-1),
            onFailure: ({ message }) => /gave no token|other than a token/.exec(message)?.[0]
          })
        })
      assert.strictEqual(yield* headed({ token: "one" }), "Bearer one")
      assert.strictEqual(yield* headed({ access_token: "two" }), "Bearer two")
      assert.strictEqual(yield* headed({ token: "one", access_token: "two" }), "Bearer one")
      for (const token of ["", "a b", "a\nb", "é"]) {
        assert.strictEqual(yield* headed({ token }), "gave no token", JSON.stringify(token))
      }
      assert.strictEqual(yield* headed({}), "gave no token")
      assert.strictEqual(yield* headed({ token: 7 }), "other than a token")
    })
  )

  it.effect("are used for maxTokenLifetime at most, and kept for maxUpstreamTokens repositories", () =>
    Effect.gen(function* () {
      const tokens = () => Effect.succeed(tokenOf({ expires_in: 1_000_000 }))
      const limits = { maxTokenLifetime: seconds(60), maxUpstreamTokens: 2 }
      const { registry, seen } = yield* withRegistry({ registry: bearer, tokens }, limits)
      const asks = (repository: string) =>
        Effect.gen(function* () {
          seen.length = 0
          yield* registry.head(repository, tag)
          const tokenRequests = seen.filter((url) => url.startsWith("/token"))
          return `${tokenRequests.length} of ${seen.length}`
        })
      const [first, later, forgotten] = ["1 of 3", "0 of 1", "1 of 3"]
      assert.deepStrictEqual(yield* Effect.forEach(["a", "b", "a", "b"], asks), [first, first, later, later])
      assert.deepStrictEqual(yield* Effect.forEach(["c", "a"], asks), [first, forgotten])
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(yield* asks("a"), later)
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(yield* asks("a"), "1 of 2")
    })
  )
})
