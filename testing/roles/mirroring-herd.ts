// Test herd for mirroring, in a memory world with a fake upstream under the name docker.io.

import { Context, Effect, Redacted } from "effect"
import { herdConfig } from "../../src/roles/herd/config.ts"
import { herd } from "../../src/roles/herd/herd.ts"
import { Secrets } from "../../src/roles/services/secrets.ts"
import type { UpstreamSettings } from "../../src/roles/upstream/mirror-config.ts"
import { send } from "./exchange.ts"
import { dockerHub, type FakeUpstreamState, fakeUpstream } from "./fake-upstream.ts"
import { herdSettings, proxyUrl } from "./herd.ts"
import { type MemoryWorld, makeMemoryWorld } from "./memory-world.ts"

const upstream: UpstreamSettings = {
  name: "docker.io",
  aliases: ["index.docker.io"],
  url: "https://registry-1.docker.io:1",
  credentials: { username: "robot", password: "env:PASSWORD" }
}

/** Runs a test over a herd that mirrors docker.io; the upstream requires tokens and redirects to a blob store. */
export const withMirroringHerd = <A, E>(
  test: (world: MemoryWorld, state: FakeUpstreamState) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const world = makeMemoryWorld()
    const registry = yield* world.start(fakeUpstream(dockerHub))
    const { state } = registry.role
    state.auth = "bearer"
    state.credentials = { username: "robot", password: "secret" }
    state.redirectBlobs = true
    const secrets: Secrets = { read: () => Effect.succeed(Redacted.make("secret")) }
    const running = yield* world
      .start(herd(herdConfig({ ...herdSettings, upstreams: [upstream], ownNames: ["registry.example"] })))
      .pipe(Effect.provideContext(Context.make(Secrets, secrets)))
    yield* Effect.ensuring(test(world, state), Effect.andThen(running.stop, registry.stop))
  })

/** The requests that the upstream got. */
export const at = (
  state: FakeUpstreamState,
  where: "registry" | "tokens" | "blobs",
  method = "GET"
): FakeUpstreamState["seen"] => state.seen.filter((seen) => seen.at === where && seen.method === method)
/** The requests for manifests that had a token. */
export const manifests = (state: FakeUpstreamState, method: string): FakeUpstreamState["seen"] =>
  at(state, "registry", method).filter(
    ({ url, authorization }) => url.includes("/manifests/") && authorization !== undefined
  )

/** A pull from the proxy. */
export const get = (world: MemoryWorld, path: string, headers: Readonly<Record<string, string>> = {}) =>
  send(world, "GET", `${proxyUrl}/v2/${path}`, { headers })
