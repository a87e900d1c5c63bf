// The scenario of the floor's single steps (floor-primitives.ts): it measures no system but the machine.

import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { RealBenchFailed } from "./bench-failed.ts"
import type { Sample, Scenario } from "./scenario.ts"

type StepCosts = Readonly<Record<"receive" | "send" | "hash" | "write" | "read" | "sync", number>>

/** The steps that no form of the work can leave out: an agent sends each byte to a peer and to a client. */
export const withSums = (steps: StepCosts): Sample => {
  const { receive, send, hash, write, read } = steps
  const stored = receive + hash + write
  const served = read + send
  return { ...steps, push: stored, pull: served, swarm: stored + 2 * served }
}

const program = fileURLToPath(new URL("./floor-primitives.ts", import.meta.url))
const patienceMilliseconds = 300_000

export const primitives: Scenario = {
  name: "primitives",
  systems: ["node"],
  run: (_system, { folder, scale }) =>
    Effect.callback<Sample, RealBenchFailed>((resume) => {
      const child = execFile(
        process.execPath,
        [program, String(scale.largeBytes), folder],
        { timeout: patienceMilliseconds },
        (error, output) =>
          resume(
            error === null
              ? Effect.succeed(withSums(JSON.parse(output)))
              : Effect.fail(new RealBenchFailed({ message: `the single steps: ${error.message}` }))
          )
      )
      return Effect.sync(() => child.kill("SIGKILL"))
    })
}
