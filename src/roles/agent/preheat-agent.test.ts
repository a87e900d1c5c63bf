// Tests of an agent's part in a preheat, over a scripted store and swarm: what it pulls, how much at once, which
// progress it reports, and what it refuses.

import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { type Exchange, errorCode, send } from "../../../testing/roles/exchange.ts"
import { makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { settle } from "../../../testing/roles/settle.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { askLimits } from "../client/limits.ts"
import { makeHttpApp } from "../http/http-app.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { type AgentLimits, agentLimits } from "./limits.ts"
import { preheatAgentRoutes } from "./preheat-agent.ts"

describe("an agent that preheats", () => {
  const digests = Array.from(
    { length: 12 },
    (_, index) => `sha256:${String(index).padStart(64, "0")}` as Digest
  )
  const ask = { repository: "demo/app", contents: digests.map((digest) => ({ digest, size: 10 })) }

  /** The preheat route alone, over pulls that wait for the test. */
  const startAgent = (
    options: {
      readonly has?: ReadonlyArray<Digest>
      readonly fails?: Digest
      readonly limits?: Partial<AgentLimits>
    } = {}
  ) =>
    Effect.gen(function* () {
      const world = makeMemoryWorld(() => "sha256:0" as Digest)
      const go = yield* Deferred.make<void>()
      const seen = { pulling: 0, most: 0, pulled: [] as Digest[], interrupted: 0 }
      const routes = yield* preheatAgentRoutes({
        limits: { ...agentLimits, ...options.limits },
        asking: askLimits,
        counter: () => {},
        has: (digest) => Effect.succeed(options.has?.includes(digest) ?? false),
        pull: (namespace, digest) =>
          Effect.gen(function* () {
            assert.strictEqual(namespace, "demo/app")
            seen.most = Math.max(seen.most, ++seen.pulling)
            yield* Deferred.await(go)
            if (digest === options.fails) return yield* Effect.fail({ message: "nobody has it" })
            seen.pulled.push(digest)
          }).pipe(
            Effect.onInterrupt(() =>
              Effect.sync(() => {
                seen.interrupted++
              })
            ),
            Effect.ensuring(
              Effect.sync(() => {
                seen.pulling--
              })
            )
          )
      })
      const app = yield* makeHttpApp(routes, {
        metrics: makeRoleMetrics("agent"),
        notReady: Effect.succeed([])
      })
      yield* world.start(
        Effect.succeed({ listeners: [{ name: "registry", listen: { host: "agent", port: 1 }, app }] })
      )
      const post = (body: unknown) =>
        send(world, "POST", "http://agent:1/preheat", { body: JSON.stringify(body) })
      return { seen, go, post }
    })

  const told = (answer: Exchange) =>
    answer.text
      .trimEnd()
      .split("\n")
      .map((text) => JSON.parse(text))

  it.effect("pulls what it lacks, a few at a time, and reports its progress meanwhile", () =>
    Effect.gen(function* () {
      const { seen, go, post } = yield* startAgent({ has: digests.slice(0, 2), fails: digests[5]! })
      const asked = yield* Effect.forkChild(post(ask))
      yield* settle
      const other = yield* Effect.forkChild(post(ask))
      yield* settle
      yield* TestClock.adjust(`${askLimits.preheatProgressInterval / 1000} millis`)
      yield* settle
      assert.strictEqual(seen.most, agentLimits.maxPreheatPulls, "over all requests together")
      yield* Deferred.succeed(go, undefined)
      const progress = told(yield* Fiber.join(asked))
      yield* Fiber.join(other)
      assert.strictEqual(progress.length, 3)
      assert.deepStrictEqual(progress[1], { done: 2, failed: 0, bytes: 20, fetched: 0, ended: false })
      assert.deepStrictEqual(progress[2], {
        done: 11,
        failed: 1,
        bytes: 110,
        fetched: 90,
        ended: true,
        message: "nobody has it"
      })
      assert.strictEqual(seen.pulled.length, 2 * 9)
    })
  )

  it.effect("stops when the proxy hangs up", () =>
    Effect.gen(function* () {
      const { seen, post } = yield* startAgent()
      const asked = yield* Effect.forkChild(post(ask))
      yield* settle
      assert.strictEqual(seen.pulling, agentLimits.maxPreheatPulls)
      yield* Fiber.interrupt(asked)
      yield* settle
      assert.deepStrictEqual([seen.pulling, seen.interrupted], [0, agentLimits.maxPreheatPulls])
    })
  )

  it.effect("takes requests of at most maxPreheatAskBytes", () =>
    Effect.gen(function* () {
      const { length } = JSON.stringify(ask)
      const { go, post } = yield* startAgent({ limits: { maxPreheatAskBytes: length } })
      yield* Deferred.succeed(go, undefined)
      assert.strictEqual((yield* post(ask)).status, 200)
      const refused = yield* post({ ...ask, more: 1 })
      assert.strictEqual(errorCode(refused), "SIZE_INVALID")
      assert.include(refused.text, `it has more than ${length} bytes`)
    })
  )

  it.effect("takes digests of the cluster and nothing else", () =>
    Effect.gen(function* () {
      const { seen, post } = yield* startAgent()
      const refused = [
        { ...ask, repository: "http://elsewhere/x" },
        { ...ask, contents: [] },
        { ...ask, contents: Array.from({ length: askLimits.maxPreheatContents + 1 }, () => ask.contents[0]) },
        { ...ask, contents: [{ digest: "http://elsewhere", size: 1 }] },
        { ...ask, contents: [{ digest: digests[0], size: -1 }] },
        { url: "http://elsewhere" },
        "x".repeat(agentLimits.maxPreheatAskBytes + 1)
      ]
      for (const body of refused) {
        assert.strictEqual((yield* post(body)).status, 400, JSON.stringify(body).slice(0, 100))
      }
      assert.strictEqual(seen.most, 0)
    })
  )
})
