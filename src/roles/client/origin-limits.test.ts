// The limits of the client of origins: how long it believes their peer addresses, and whom it tells that a blob is
// relied on.

import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { settle } from "../../../testing/roles/settle.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { seconds } from "../../protocol/kit/time.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { AskLimits } from "./limits.ts"
import { makeOriginClient } from "./origin-client.ts"

const digest = `sha256:${"1".repeat(64)}` as Digest
const urls = Array.from({ length: 6 }, (_, index) => `http://origin-${index}:1`)

/**
 * A client of six origins that have every blob and take a second to say so, and the hosts that it asks. They answer
 * for their peer address once `ready` ends.
 */
const stage = (limits: Partial<AskLimits>, ready: Effect.Effect<void> = Effect.void) =>
  Effect.gen(function* () {
    const world = makeMemoryWorld()
    const asked: string[] = []
    for (const [index, url] of urls.entries()) {
      const host = new URL(url).hostname
      const peer = JSON.stringify({ peerId: `${index}`.repeat(40), address: `${host}:2`, kind: "origin" })
      const app = Effect.gen(function* () {
        const { method } = yield* HttpServerRequest.HttpServerRequest
        asked.push(host)
        if (method === "GET") {
          yield* ready
          return HttpServerResponse.text(peer, { contentType: "application/json" })
        }
        yield* Effect.sleep("1 seconds")
        return HttpServerResponse.empty({ status: 200, headers: { "content-length": "7" } })
      })
      yield* world.start(Effect.succeed({ listeners: [{ name: "origin", listen: { host, port: 1 }, app }] }))
    }
    const client = yield* Effect.provideContext(
      withLimits(makeOriginClient(urls), AskLimits, limits),
      world.services
    )
    return { client, asked }
  })

it.effect("the client of origins believes a peer address for originPeerLifetime", () =>
  Effect.gen(function* () {
    const { client, asked } = yield* stage({ originReplicas: 2, originPeerLifetime: seconds(60) })
    assert.lengthOf(yield* client.seeds(digest), 2)
    yield* TestClock.adjust("59 seconds")
    yield* client.seeds(digest)
    assert.lengthOf(asked, 2)
    yield* TestClock.adjust("1 seconds")
    yield* client.seeds(digest)
    assert.lengthOf(asked, 4)
  })
)

it.effect("a peer address is believed no longer when the caller that asked for it first has gone", () =>
  Effect.gen(function* () {
    const limits = { originReplicas: 1, originPeerLifetime: seconds(60) }
    const { client, asked } = yield* stage(limits, Effect.sleep("1 seconds"))
    const first = yield* Effect.forkChild(client.seeds(digest))
    yield* settle
    const second = yield* Effect.forkChild(client.seeds(digest))
    yield* settle
    yield* Fiber.interrupt(first)
    yield* TestClock.adjust("1 seconds")
    assert.lengthOf(yield* Fiber.join(second), 1)
    assert.lengthOf(asked, 1)
    yield* TestClock.adjust("60 seconds")
    yield* Effect.forkChild(client.seeds(digest))
    yield* settle
    assert.lengthOf(asked, 2)
  })
)

it.effect("a blob that is relied on is touched at its originReplicas owners, maxParallelAsks at once", () =>
  Effect.gen(function* () {
    const { client, asked } = yield* stage({ originReplicas: 4, maxParallelAsks: 2 })
    const relying = yield* Effect.forkChild(client.rely("demo/app", digest, () => Effect.void))
    const seen: number[] = []
    while (relying.pollUnsafe() === undefined) {
      yield* settle
      seen.push(asked.length)
      yield* TestClock.adjust("1 seconds")
      yield* settle
    }
    yield* Fiber.join(relying)
    // One that has it, then the three other owners.
    assert.deepStrictEqual(seen, [1, 3, 4])
    assert.strictEqual(new Set(asked).size, 4)
  })
)
