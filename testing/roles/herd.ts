// Test herd for the registry API: one host with all roles under fixed addresses, in a memory world.

import { Effect, type Scope } from "effect"
import { type HerdSettings, herdConfig } from "../../src/roles/herd/config.ts"
import { herd } from "../../src/roles/herd/herd.ts"
import type { HostProgramError } from "../../src/roles/host-program.ts"
import { type MemoryWorld, makeMemoryWorld } from "./memory-world.ts"

const listen = (port: number) => ({ host: "herd", port })

export const herdSettings = {
  data: "herd",
  peer: listen(15001),
  proxy: listen(15000),
  origin: listen(15002),
  tracker: listen(15003),
  buildIndex: listen(15004)
} as const

export const proxyUrl = "http://herd:15000"

/** Starts the herd; the end of the scope stops it. */
export const startHerd = (
  world: MemoryWorld,
  settings: Partial<HerdSettings> = {}
): Effect.Effect<void, HostProgramError, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      world.start(herd(herdConfig({ ...herdSettings, ...settings }))),
      (running) => running.stop
    )
  )

/** Runs a test beside a herd in a world of its own. */
export const inHerd = <A, E>(
  test: (world: MemoryWorld) => Effect.Effect<A, E>
): Effect.Effect<void, E | HostProgramError> =>
  Effect.gen(function* () {
    const world = makeMemoryWorld()
    yield* startHerd(world)
    yield* test(world)
  }).pipe(Effect.scoped)
