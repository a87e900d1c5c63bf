// Decides what a scenario is, and what every one of them may ask: agents by name, what an agent received and stored, and
// a bounded wait for what a person could see. It knows no story.

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

/** Seconds: longer than a busy machine takes for anything, less than the runner's limit, which gives no message. */
const patience = 100

/** Polls until `check` holds; fails with its message after `patience` seconds of the world's time. */
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
