// Form of a scenario, and what all scenarios share: agents by name, the bytes and pieces of an agent, and a bounded
// wait for a visible condition.

import { Duration, Effect, Schedule, type Scope } from "effect"
import type { HostProgramError } from "../../src/roles/host-program.ts"
import type { Cluster } from "./cluster.ts"
import { metric, type PushedImage, type PushedLayer, ScenarioFailed } from "./registry-script.ts"
import type { ScenarioWorld } from "./world.ts"

export interface Scenario {
  readonly name: string
  readonly run: (world: ScenarioWorld) => Effect.Effect<void, ScenarioFailed | HostProgramError, Scope.Scope>
}

export const MiB = 1024 * 1024

/** Seconds: longer than any step on a busy machine, and below the test runner's limit, which gives no message. */
const patience = 100

/** Polls until `check` holds; fails with `what` after `patience` seconds of the world's time. */
export const until = (
  what: string,
  check: Effect.Effect<boolean, ScenarioFailed>
): Effect.Effect<void, ScenarioFailed> =>
  Effect.gen(function* () {
    const held = yield* Effect.orElseSucceed(check, () => false)
    if (!held) return yield* new ScenarioFailed({ message: `not within ${patience} s: ${what}` })
  }).pipe(
    Effect.retry(
      Schedule.spaced(Duration.millis(20)).pipe(Schedule.upTo({ duration: Duration.seconds(patience) }))
    )
  )

export const received = (world: ScenarioWorld, agent: string, source: "agent" | "origin") =>
  metric(world, agent, "shoal_piece_bytes_received_total", { source })

export const storedPieces = (world: ScenarioWorld, agent: string) =>
  metric(world, agent, "shoal_pieces_total", { outcome: "stored" })

export const agents = (cluster: Cluster, names: ReadonlyArray<string>) =>
  Effect.forEach(names, (name) => cluster.startAgent(name), { concurrency: "unbounded" })

export const largest = (image: PushedImage): PushedLayer =>
  image.layers.reduce((one, other) => (other.bytes.byteLength > one.bytes.byteLength ? other : one))
