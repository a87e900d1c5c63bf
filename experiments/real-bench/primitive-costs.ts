// The scenario of the floor's single steps (floor-primitives.ts): it measures no system but the machine.

import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { RealBenchFailed } from "./bench-failed.ts"
import type { Sample, Scenario } from "./scenario.ts"

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
              ? Effect.succeed(JSON.parse(output) as Sample)
              : Effect.fail(new RealBenchFailed({ message: `the single steps: ${error.message}` }))
          )
      )
      return Effect.sync(() => child.kill("SIGKILL"))
    })
}
