// A herd whose upstream registry is unreachable, refuses, sends wrong bytes or lacks an image: it serves cached
// images, with their age, and answers at once for images that are not cached.

import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { send } from "../../../testing/roles/exchange.ts"
import { type FakeUpstreamState, publishImage } from "../../../testing/roles/fake-upstream.ts"
import type { MemoryWorld } from "../../../testing/roles/memory-world.ts"
import { at, get, manifests, withMirroringHerd } from "../../../testing/roles/mirroring-herd.ts"
import { someBytes } from "../../../testing/roles/push.ts"

const answerWith = (state: FakeUpstreamState, status: number): void => {
  state.failing = { status }
}

describe("a mirror whose upstream is in trouble", () => {
  for (const [how, spoil] of [
    ["answers 429", (_: MemoryWorld, state: FakeUpstreamState) => answerWith(state, 429)],
    ["answers 503", (_: MemoryWorld, state: FakeUpstreamState) => answerWith(state, 503)],
    ["is unreachable", (world: MemoryWorld) => void world.unreachable.add("registry-1.docker.io:1")],
    ["has lost its token server", (world: MemoryWorld) => void world.unreachable.add("auth.docker.io:2")]
  ] as const) {
    it.effect(`serves cached images when the upstream ${how}; others fail at once`, () =>
      withMirroringHerd((world, state) =>
        Effect.gen(function* () {
          const layer = someBytes(1, 5000)
          const image = publishImage(state, "a/b", "1", [layer, someBytes(2, 5000)])
          publishImage(state, "a/b", "2", [])
          yield* get(world, "a/b/manifests/1?ns=docker.io")
          yield* get(world, `a/b/blobs/${image.layers[0]}?ns=docker.io`)
          yield* TestClock.adjust("10 minutes")
          spoil(world, state)
          const cached = yield* get(world, "a/b/manifests/1?ns=docker.io")
          assert.strictEqual(cached.status, 200, cached.text)
          assert.deepStrictEqual(cached.bytes, image.bytes)
          const blob = yield* get(world, `a/b/blobs/${image.layers[0]}?ns=docker.io`)
          assert.deepStrictEqual(blob.bytes, layer)
          for (const path of [
            "a/b/manifests/2?ns=docker.io",
            "a/c/manifests/1?ns=docker.io",
            `a/b/blobs/${image.layers[1]}?ns=docker.io`
          ]) {
            const missing = yield* get(world, path)
            assert.isTrue(missing.status === 503 || missing.status === 404, `${path}: ${missing.status}`)
          }
        })
      )
    )
  }

  it.effect("states the age of a tag that it cannot check", () =>
    withMirroringHerd((world, state) =>
      Effect.gen(function* () {
        yield* TestClock.adjust("1 hour")
        publishImage(state, "a/b", "1", [])
        const tag = "http://herd:15004/repositories/docker.io%2Fa%2Fb/tags/1"
        const age = Effect.map(
          send(world, "GET", tag),
          ({ text }) => (JSON.parse(text) as { age?: number }).age
        )
        assert.strictEqual(yield* age, 0)
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(yield* age, 30)
        state.failing = { status: 429 }
        yield* TestClock.adjust("90 seconds")
        assert.strictEqual(yield* age, 120)
        assert.strictEqual((yield* get(world, "a/b/manifests/1?ns=docker.io")).headers.age, "120")
        state.failing = undefined
        yield* TestClock.adjust("5 minutes")
        assert.strictEqual(yield* age, 0)
      })
    )
  )

  it.effect("keeps no bytes with a wrong digest, and does not fetch them again at once", () =>
    withMirroringHerd((world, state) =>
      Effect.gen(function* () {
        const image = publishImage(state, "a/b", "1", [someBytes(1, 5000)])
        yield* get(world, "a/b/manifests/1?ns=docker.io")
        state.corrupt = true
        const blob = `a/b/blobs/${image.layers[0]}?ns=docker.io`
        assert.strictEqual((yield* get(world, blob)).status, 404)
        assert.strictEqual((yield* get(world, blob)).status, 404)
        assert.strictEqual(at(state, "blobs").length, 1)
        assert.isFalse(world.blobs("herd/origin").blobs.has(image.layers[0]))
        assert.deepStrictEqual([...world.blobs("herd/origin").uploads.keys()], [])
        state.corrupt = false
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual((yield* get(world, blob)).status, 200)
      })
    )
  )

  it.effect("does not ask again at once for a name that the upstream lacks", () =>
    withMirroringHerd((world, state) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* get(world, "a/b/manifests/1?ns=docker.io")).status, 404)
        assert.strictEqual((yield* get(world, "a/b/manifests/1?ns=docker.io")).status, 404)
        assert.strictEqual(manifests(state, "HEAD").length, 1)
        publishImage(state, "a/b", "1", [])
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual((yield* get(world, "a/b/manifests/1?ns=docker.io")).status, 200)
      })
    )
  )

  it.effect(
    "keeps cached images while the upstream denies them, and records no move of an unchanged tag",
    () =>
      withMirroringHerd((world, state) =>
        Effect.gen(function* () {
          publishImage(state, "a/b", "1", [])
          const status = Effect.map(get(world, "a/b/manifests/1?ns=docker.io"), (answer) => answer.status)
          assert.strictEqual(yield* status, 200)
          yield* TestClock.adjust("2 minutes")
          assert.strictEqual(yield* status, 200)
          const history = yield* get(world, "docker.io/a/b/_shoal/tags/1/history")
          assert.strictEqual((JSON.parse(history.text) as { history: Array<unknown> }).history.length, 1)

          yield* TestClock.adjust("2 minutes")
          state.failing = { status: 403 }
          assert.strictEqual(yield* status, 404)
          yield* TestClock.adjust("2 minutes")
          state.failing = { status: 503 }
          assert.strictEqual(yield* status, 200)
        })
      )
  )
})
