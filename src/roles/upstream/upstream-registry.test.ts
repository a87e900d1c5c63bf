// The client of an upstream registry: tokens and credentials go to their receivers and nowhere else, answers are
// verified, broken transfers resume, and an upstream in trouble gets a pause.

import { createHash } from "node:crypto"
import { assert, it } from "@effect/vitest"
import { Context, Effect, Redacted, Stream } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import {
  dockerHub,
  type FakeUpstreamState,
  fakeUpstream,
  publishImage
} from "../../../testing/roles/fake-upstream.ts"
import { type MemoryWorld, makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { someBytes } from "../../../testing/roles/push.ts"
import { type Digest, makeDigest } from "../../protocol/wire/digest.ts"
import { ociLimits } from "../oci/limits.ts"
import { toDuration } from "../services/clock.ts"
import { Secrets, SecretUnavailable } from "../services/secrets.ts"
import { upstreamLimits } from "./limits.ts"
import { type UpstreamSettings, upstreamConfig } from "./mirror-config.ts"
import { makeUpstreamRegistry, type UpstreamRegistry } from "./upstream-registry.ts"

const hash = (bytes: Uint8Array): Digest => makeDigest("sha256", createHash("sha256").update(bytes).digest())

const place: UpstreamSettings = { name: "docker.io", url: "https://registry-1.docker.io:1" }
const credentials = { username: "robot", password: "@password" }
const basic = `Basic ${Buffer.from("robot:secret").toString("base64")}`

const secrets: Secrets = {
  read: (source) =>
    source.tag === "File" && source.path === "password"
      ? Effect.succeed(Redacted.make("secret"))
      : Effect.fail(new SecretUnavailable({ message: "no such secret" }))
}

/** A world with an upstream, and the client under test for it. */
const withUpstream = <A, E>(
  upstream: UpstreamSettings,
  test: (registry: UpstreamRegistry, state: FakeUpstreamState, world: MemoryWorld) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const world = makeMemoryWorld()
    const running = yield* world.start(fakeUpstream(dockerHub))
    const services = Context.add(world.services, Secrets, secrets)
    const registry = yield* Effect.provide(makeUpstreamRegistry(upstreamConfig(upstream)), services)
    yield* Effect.ensuring(test(registry, running.role.state, world), running.stop)
  })

const tag = (name: string) => ({ tag: "Tag", name }) as const
const byDigest = (digest: Digest) => ({ tag: "Digest", digest }) as const
const read = (registry: UpstreamRegistry, repository: string, digest: Digest) =>
  Effect.flatMap(registry.blob(repository, digest), ({ bytes }) => Stream.mkUint8Array(bytes))
const at = (state: FakeUpstreamState, where: "registry" | "tokens" | "blobs") =>
  state.seen.filter((seen) => seen.at === where)

describe("an upstream registry", () => {
  it.effect("is asked for a tag, a manifest, a blob and tags", () =>
    withUpstream(place, (registry, state) =>
      Effect.gen(function* () {
        const layer = someBytes(1, 30_000)
        const image = publishImage(state, "library/alpine", "3", [layer])
        assert.strictEqual(yield* registry.head("library/alpine", tag("3")), image.digest)
        const manifest = yield* registry.manifest("library/alpine", tag("3"))
        assert.strictEqual(manifest.digest, image.digest)
        assert.deepStrictEqual(manifest.bytes, image.bytes)
        assert.strictEqual(manifest.mediaType, "application/vnd.oci.image.manifest.v1+json")
        assert.strictEqual(yield* registry.blobLength("library/alpine", image.layers[0]), 30_000)
        assert.deepStrictEqual(yield* read(registry, "library/alpine", image.layers[0]), layer)
        assert.deepStrictEqual(yield* registry.tags("library/alpine", { limit: 10 }), ["3"])
        const lacks = yield* Effect.flip(registry.head("library/alpine", tag("4")))
        assert.strictEqual(lacks._tag, "UpstreamLacks")
        // Bytes that are hashed must not arrive in another coding.
        assert.isTrue(state.seen.every(({ acceptEncoding }) => acceptEncoding === "identity"))
      })
    )
  )

  it.effect("lists tags in order, after the last one, without names that are no tags", () =>
    withUpstream(place, (registry, state) =>
      Effect.gen(function* () {
        for (const name of ["c", "a", "-b", "b/..", "b"])
          state.tags.set(`a/b ${name}`, hash(new Uint8Array()))
        assert.deepStrictEqual(yield* registry.tags("a/b", { limit: 10 }), ["a", "b", "c"])
        assert.deepStrictEqual(yield* registry.tags("a/b", { limit: 1, last: "a" }), ["b"])
      })
    )
  )

  it.effect("gets one token per repository, for its own scope, and sends credentials only to the realm", () =>
    withUpstream({ ...place, credentials }, (registry, state) =>
      Effect.gen(function* () {
        state.auth = "bearer"
        state.credentials = { username: "robot", password: "secret" }
        state.redirectBlobs = true
        const image = publishImage(state, "library/alpine", "3", [someBytes(1, 9000)])
        yield* registry.manifest("library/alpine", tag("3"))
        yield* registry.head("library/alpine", tag("3"))
        yield* read(registry, "library/alpine", image.layers[0])
        const tokens = at(state, "tokens")
        assert.strictEqual(tokens.length, 1)
        assert.strictEqual(tokens[0]?.authorization, basic)
        assert.strictEqual(tokens[0]?.url, "/token?service=fake&scope=repository%3Alibrary%2Falpine%3Apull")
        // The first request learned the way; the others brought the token at once.
        assert.deepStrictEqual(
          at(state, "registry").map(({ authorization }) => authorization),
          [undefined, "Bearer token-1", "Bearer token-1", "Bearer token-1"]
        )
        assert.deepStrictEqual(
          at(state, "blobs").map(({ authorization }) => authorization),
          [undefined]
        )
        publishImage(state, "library/other", "1", [])
        yield* registry.head("library/other", tag("1"))
        assert.strictEqual(at(state, "tokens").length, 2)
      })
    )
  )

  it.effect("gets a new token when the old one has expired or is refused", () =>
    withUpstream(place, (registry, state) =>
      Effect.gen(function* () {
        state.auth = "bearer"
        state.tokenLifetime = 100
        publishImage(state, "a/b", "1", [])
        yield* registry.head("a/b", tag("1"))
        yield* TestClock.adjust("79 seconds")
        yield* registry.head("a/b", tag("1"))
        assert.strictEqual(at(state, "tokens").length, 1)
        yield* TestClock.adjust("2 seconds")
        yield* registry.head("a/b", tag("1"))
        assert.strictEqual(at(state, "tokens").length, 2)
        state.tokens.clear()
        yield* registry.head("a/b", tag("1"))
        assert.strictEqual(at(state, "tokens").length, 3)
      })
    )
  )

  it.effect("gets Basic when it asks for it", () =>
    withUpstream({ ...place, credentials }, (registry, state) =>
      Effect.gen(function* () {
        state.auth = "basic"
        state.credentials = { username: "robot", password: "secret" }
        publishImage(state, "a/b", "1", [])
        yield* registry.head("a/b", tag("1"))
        yield* registry.head("a/b", tag("1"))
        assert.deepStrictEqual(
          at(state, "registry").map(({ authorization }) => authorization),
          [undefined, basic, basic]
        )
        state.credentials = { username: "robot", password: "changed" }
        const denied = yield* Effect.flip(registry.head("a/b", tag("1")))
        assert.strictEqual(denied._tag === "UpstreamLacks" && denied.denied, true)
        assert.notInclude(denied.message, "secret")
        // A refused Authorization is not sent twice.
        assert.strictEqual(at(state, "registry").length, 4)
      })
    )
  )

  it.effect(
    "reports a token server that refuses or fails, and accepts no token that could break a header",
    () =>
      withUpstream({ ...place, credentials }, (registry, state) =>
        Effect.gen(function* () {
          state.auth = "bearer"
          publishImage(state, "a/b", "1", [])
          for (const status of [401, 403]) {
            state.tokensFailing = status
            const denied = yield* Effect.flip(registry.head("a/b", tag("1")))
            assert.strictEqual(denied._tag === "UpstreamLacks" && denied.denied, true, `${status}`)
          }
          state.tokensFailing = 500
          const away = yield* Effect.flip(registry.head("a/b", tag("1")))
          assert.strictEqual(away._tag, "UpstreamAway")
          state.tokensFailing = undefined
          for (const text of ["", "two words", "a\r\nx-injected: 1", "ü"]) {
            state.tokenText = text
            const refused = yield* Effect.flip(registry.head("a/b", tag("1")))
            assert.include(refused.message, "gave no token", JSON.stringify(text))
          }
          assert.isTrue(at(state, "registry").every(({ authorization }) => authorization === undefined))
        })
      )
  )

  it.effect("gets an answer to its own challenge, but not to that of a store it redirects to", () =>
    withUpstream({ ...place, credentials }, (registry, state) =>
      Effect.gen(function* () {
        state.redirectBlobs = true
        const image = publishImage(state, "a/b", "1", [someBytes(1, 10)])
        const challenge = 'Bearer realm="https://auth.docker.io:2/token",service="fake"'
        state.blobsFailing = { status: 401, headers: { "www-authenticate": challenge } }
        const denied = yield* Effect.flip(read(registry, "a/b", image.layers[0]))
        assert.strictEqual(denied._tag === "UpstreamLacks" && denied.denied, true)
        assert.deepStrictEqual(at(state, "tokens"), [])
        assert.strictEqual(at(state, "blobs").length, 1)
      })
    )
  )

  it.effect("reports missing credentials", () =>
    withUpstream(place, (registry, state) =>
      Effect.gen(function* () {
        state.auth = "basic"
        const denied = yield* Effect.flip(registry.head("a/b", tag("1")))
        assert.strictEqual(denied._tag, "UpstreamLacks")
        assert.include(denied.message, "docker.io requires credentials (basic)")
      })
    )
  )

  it.effect("cannot choose any token server: a foreign realm is not dialled", () =>
    withUpstream({ ...place, credentials }, (registry, state, world) =>
      Effect.gen(function* () {
        state.auth = "bearer"
        for (const realm of ["https://cdn.example:3/token", "http://auth.docker.io:2/token", "nonsense"]) {
          state.challenge = `Bearer realm="${realm}",service="fake"`
          const before = world.requests.length
          const refused = yield* Effect.flip(registry.head("a/b", tag("1")))
          assert.strictEqual(refused._tag, "UpstreamAway")
          assert.include(refused.message, "docker.io: its realm")
          assert.strictEqual(world.requests.length, before + 1)
        }
        assert.deepStrictEqual(at(state, "tokens"), [])
        assert.deepStrictEqual(at(state, "blobs"), [])
      })
    )
  )

  it.effect("may redirect over https only, and a limited number of times", () =>
    withUpstream(place, (registry, state) =>
      Effect.gen(function* () {
        state.redirectBlobs = true
        const image = publishImage(state, "a/b", "1", [someBytes(1, 10)])
        for (const location of [
          "http://cdn.example:3/x",
          "https://127.0.0.1:3/x",
          "https://u:p@cdn.example:3/x"
        ]) {
          state.redirectTo = location
          const refused = yield* Effect.flip(read(registry, "a/b", image.layers[0]))
          assert.include(refused.message, "docker.io: it redirects")
        }
        state.redirectTo = `/v2/a/b/blobs/${image.layers[0]}`
        const before = state.seen.length
        const endless = yield* Effect.flip(read(registry, "a/b", image.layers[0]))
        assert.include(endless.message, "redirects more than")
        assert.strictEqual(state.seen.length - before, 1 + upstreamLimits.maxUpstreamRedirects)
        assert.deepStrictEqual(at(state, "blobs"), [])
      })
    )
  )

  it.effect("is not trusted when a manifest does not match its digest", () =>
    withUpstream(place, (registry, state) =>
      Effect.gen(function* () {
        const image = publishImage(state, "a/b", "1", [])
        state.corrupt = true
        for (const reference of [tag("1"), byDigest(image.digest)]) {
          const refused = yield* Effect.flip(registry.manifest("a/b", reference))
          assert.strictEqual(refused._tag, "UpstreamAway")
          assert.include(refused.message, image.digest)
        }
        state.corrupt = false
        state.manifests.set("a/b huge", {
          bytes: new Uint8Array(ociLimits.maxManifestBytes + 1),
          mediaType: "application/json"
        })
        const huge = yield* Effect.flip(registry.manifest("a/b", tag("huge")))
        assert.include(huge.message, "has more than")
      })
    )
  )

  for (const ranges of [true, false]) {
    it.effect(`that breaks off a blob is asked for the rest ${ranges ? "by range" : "without ranges"}`, () =>
      withUpstream(place, (registry, state) =>
        Effect.gen(function* () {
          const layer = someBytes(3, 50_000)
          const image = publishImage(state, "a/b", "1", [layer])
          state.ranges = ranges
          state.breakOff = { after: ranges ? 17_000 : 20_000, times: ranges ? 2 : 1 }
          assert.deepStrictEqual(yield* read(registry, "a/b", image.layers[0]), layer)
          assert.strictEqual(state.sent, ranges ? 50_000 : 70_000)
          state.breakOff = { after: 1, times: 100 }
          const broken = yield* Effect.flip(read(registry, "a/b", image.layers[0]))
          assert.include(
            broken.message,
            `broke off ${image.layers[0]} ${upstreamLimits.maxUpstreamBreaks + 1} times`
          )
          state.breakOff = { after: 20_000, times: 1, quietly: true }
          assert.deepStrictEqual(yield* read(registry, "a/b", image.layers[0]), layer)
        })
      )
    )
  }

  it.effect("that answers with another range is not trusted", () =>
    withUpstream(place, (registry, state) =>
      Effect.gen(function* () {
        const image = publishImage(state, "a/b", "1", [someBytes(3, 50_000)])
        state.breakOff = { after: 20_000, times: 1 }
        state.rangeShift = 1
        const refused = yield* Effect.flip(read(registry, "a/b", image.layers[0]))
        assert.include(refused.message, "with another one")
      })
    )
  )

  it.effect("that asks for a very long pause is asked again earlier", () =>
    withUpstream(place, (registry, state) =>
      Effect.gen(function* () {
        publishImage(state, "a/b", "1", [])
        state.failing = { status: 429, headers: { "retry-after": "86400" } }
        yield* Effect.flip(registry.head("a/b", tag("1")))
        state.failing = undefined
        yield* TestClock.adjust(toDuration(upstreamLimits.maxUpstreamPause))
        yield* registry.head("a/b", tag("1"))
      })
    )
  )

  it.effect("that is overloaded or unreachable gets a pause, and is then asked again", () =>
    withUpstream(place, (registry, state, world) =>
      Effect.gen(function* () {
        publishImage(state, "a/b", "1", [])
        state.failing = { status: 429, headers: { "retry-after": "60" } }
        const limited = yield* Effect.flip(registry.head("a/b", tag("1")))
        assert.strictEqual(limited._tag, "UpstreamAway")
        state.failing = undefined
        yield* TestClock.adjust("59 seconds")
        const seen = state.seen.length
        const left = yield* Effect.flip(registry.head("a/b", tag("1")))
        assert.include(left.message, "answered 429")
        assert.strictEqual(state.seen.length, seen)
        yield* TestClock.adjust("1 second")
        yield* registry.head("a/b", tag("1"))

        world.unreachable.add("registry-1.docker.io:1")
        const away = yield* Effect.flip(registry.head("a/b", tag("1")))
        assert.include(away.message, "cannot be reached")
        world.unreachable.clear()
        assert.strictEqual((yield* Effect.flip(registry.head("a/b", tag("1"))))._tag, "UpstreamAway")
        yield* TestClock.adjust("5 seconds")
        yield* registry.head("a/b", tag("1"))

        state.failing = { status: 500 }
        yield* Effect.flip(registry.head("a/b", tag("1")))
        state.failing = undefined
        yield* registry.head("a/b", tag("1"))
      })
    )
  )
})
