// Test herd for preheating: a herd whose proxy preheats, in a memory world, and scripted agents that register and
// answer as the test says.

import { Effect, type Scope } from "effect"
import { HttpServerRequest, type HttpServerResponse } from "effect/http"
import { invariant } from "../../src/protocol/kit/invariant.ts"
import type { PreheatAsk } from "../../src/roles/client/preheat-wire.ts"
import { type HerdSettings, herdConfig } from "../../src/roles/herd/config.ts"
import { herd } from "../../src/roles/herd/herd.ts"
import type { HostProgramError } from "../../src/roles/host-program.ts"
import { type Exchange, send } from "./exchange.ts"
import { herdSettings, proxyUrl } from "./herd.ts"
import { type MemoryWorld, makeMemoryWorld } from "./memory-world.ts"

export const trackerUrl = "http://herd:15003"

interface ScriptedAgent {
  readonly asks: PreheatAsk[]
}

export interface PreheatingHerd {
  readonly world: MemoryWorld
  /** An agent that registers and gives the answers of the script. */
  readonly agent: (
    name: string,
    answer: (ask: PreheatAsk, attempt: number) => HttpServerResponse.HttpServerResponse,
    zone?: string
  ) => Effect.Effect<ScriptedAgent, HostProgramError>
  readonly post: (path: string, body: unknown) => Effect.Effect<Exchange, unknown>
  readonly get: (
    path: string
  ) => Effect.Effect<{ readonly status: number; readonly json: ReturnType<JSON["parse"]> }, unknown>
}

/** Runs a test over a herd that preheats by these rules. */
export const inPreheatingHerd = <E>(
  test: (running: PreheatingHerd) => Effect.Effect<void, E, Scope.Scope>,
  preheat: NonNullable<HerdSettings["preheat"]> = {}
) =>
  Effect.gen(function* () {
    const world = makeMemoryWorld()
    yield* Effect.acquireRelease(
      world.start(herd(herdConfig({ ...herdSettings, preheat }))),
      ({ stop }) => stop
    )
    const post: PreheatingHerd["post"] = (path, body) =>
      send(world, "POST", path.startsWith("http") ? path : proxyUrl + path, {
        body: typeof body === "string" ? body : JSON.stringify(body)
      })
    yield* test({
      world,
      post,
      get: (path) =>
        Effect.map(send(world, "GET", proxyUrl + path), ({ status, text }) => ({
          status,
          json: JSON.parse(text)
        })),
      agent: (name, answer, zone) =>
        Effect.gen(function* () {
          const asks: PreheatAsk[] = []
          const app = Effect.gen(function* () {
            const { text } = yield* HttpServerRequest.HttpServerRequest
            const ask = JSON.parse(yield* Effect.orDie(text)) as PreheatAsk
            asks.push(ask)
            return answer(ask, asks.length)
          })
          const listeners = [{ name: "registry", listen: { host: name, port: 1 }, app }]
          yield* world.start(Effect.succeed({ listeners }))
          const registration = { url: `http://${name}:1`, ...(zone === undefined ? {} : { zone }) }
          const registered = yield* Effect.orDie(post(`${trackerUrl}/agents`, registration))
          invariant(registered.status === 204, `the tracker answered a registration ${registered.status}`)
          return { asks }
        })
    })
  }).pipe(Effect.scoped)
