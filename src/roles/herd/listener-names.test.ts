// What each role calls its listeners, which is how a log and the line of `shoal` tell them apart.

import { assert, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { herdSettings } from "../../../testing/roles/herd.ts"
import { makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { agent } from "../agent/agent.ts"
import { agentConfig } from "../agent/config.ts"
import { buildIndex } from "../build-index/build-index.ts"
import { buildIndexConfig } from "../build-index/config.ts"
import type { HostProgram, HostProgramError, StartedRole } from "../host-program.ts"
import { originConfig } from "../origin/config.ts"
import { origin } from "../origin/origin.ts"
import { proxyConfig } from "../proxy/config.ts"
import { proxy } from "../proxy/proxy.ts"
import { trackerConfig } from "../tracker/config.ts"
import { tracker } from "../tracker/tracker.ts"
import { herdConfig } from "./config.ts"
import { herd } from "./herd.ts"

const http = { host: "host", port: 1 }
const peer = { host: "host", port: 2 }
const url = "http://host:1"

const listenersOf = (
  program: HostProgram<StartedRole>
): Effect.Effect<ReadonlyArray<string>, HostProgramError, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(makeMemoryWorld().start(program), ({ stop }) => stop),
    ({ role }) => role.listeners.map(({ name, listen: { port } }) => `${name} ${port}`)
  )

it.effect("listeners are named after what they serve", () =>
  Effect.gen(function* () {
    const data = "data"
    assert.deepStrictEqual(
      yield* listenersOf(origin(originConfig({ data, http, peer, origins: [url], self: url }))),
      ["origin 1"]
    )
    assert.deepStrictEqual(yield* listenersOf(tracker(trackerConfig({ http, origins: [url] }))), [
      "tracker 1"
    ])
    assert.deepStrictEqual(yield* listenersOf(buildIndex(buildIndexConfig({ data, http }))), [
      "build-index 1"
    ])
    const proxied = { data, registry: http, origins: [url], buildIndexes: [url] } as const
    assert.deepStrictEqual(yield* listenersOf(proxy(proxyConfig(proxied))), ["registry 1"])
    const pulling = { data, peer, registry: http, trackers: [url], buildIndexes: [url] } as const
    assert.deepStrictEqual(yield* listenersOf(agent(agentConfig(pulling))), ["registry 1"])
    const register = { url: "http://host:3", listen: { host: "host", port: 3 } }
    assert.deepStrictEqual(yield* listenersOf(agent(agentConfig({ ...pulling, register }))), [
      "registry 1",
      "preheat 3"
    ])
    assert.deepStrictEqual(yield* listenersOf(herd(herdConfig(herdSettings))), [
      "proxy 15000",
      "origin 15002",
      "tracker 15003",
      "build-index 15004"
    ])
  }).pipe(Effect.scoped)
)
