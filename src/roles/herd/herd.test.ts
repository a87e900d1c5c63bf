// The parts of a herd find each other, report their readiness together, and refuse ports on which they could not be
// found.

import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { describe } from "vitest"
import { send } from "../../../testing/roles/exchange.ts"
import { herdSettings, proxyUrl, startHerd } from "../../../testing/roles/herd.ts"
import { makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { pushImage } from "../../../testing/roles/push.ts"
import { localUrl } from "../http/host-and-port.ts"
import { herdConfig } from "./config.ts"
import { herd } from "./herd.ts"

describe("a herd", () => {
  it.effect(
    "is ready on every port, and keeps pushed images over a restart, each part in its own folder",
    () =>
      Effect.gen(function* () {
        const world = makeMemoryWorld()
        const image = yield* Effect.scoped(
          Effect.gen(function* () {
            yield* startHerd(world)
            for (const port of [15000, 15002, 15003, 15004]) {
              const ready = yield* send(world, "GET", `http://herd:${port}/readiness`)
              assert.strictEqual(ready.status, 200, ready.text)
            }
            return yield* pushImage(world, proxyUrl, "demo/app", "1", 1)
          })
        )
        assert.isTrue(world.blobs("herd/origin").blobs.has(image.layer))
        assert.deepStrictEqual(world.tables("herd/build-index").rows("tags"), ["demo/app 1"])
        yield* startHerd(world)
        const again = yield* send(world, "GET", `${proxyUrl}/v2/demo/app/manifests/1`)
        assert.deepStrictEqual(again.bytes, image.manifest)
      }).pipe(Effect.scoped)
  )

  it.effect("names at the proxy a part that does not answer", () =>
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      yield* startHerd(world)
      world.unreachable.add("herd:15004")
      const readiness = yield* send(world, "GET", `${proxyUrl}/readiness`)
      assert.strictEqual(readiness.status, 503)
      assert.include(readiness.text, "herd:15004")
    }).pipe(Effect.scoped)
  )

  it.effect("refuses port 0, because nobody could find the part", () =>
    Effect.gen(function* () {
      const world = makeMemoryWorld()
      const error = yield* Effect.flip(
        world.start(herd(herdConfig({ ...herdSettings, tracker: { host: "herd", port: 0 } })))
      )
      assert.include(error.message, "tracker.port")
    })
  )

  it("reaches wildcard and IPv6 listeners by an address that works", () => {
    assert.strictEqual(localUrl({ host: "0.0.0.0", port: 1 }), "http://127.0.0.1:1")
    for (const host of ["::", "::0", "0:0:0:0:0:0:0:0"]) {
      assert.strictEqual(localUrl({ host, port: 1 }), "http://[::1]:1")
    }
    assert.strictEqual(localUrl({ host: "fd00::5", port: 1 }), "http://[fd00::5]:1")
    assert.strictEqual(localUrl({ host: "origin.internal", port: 1 }), "http://origin.internal:1")
  })
})
