// The flags of `shoal experiment bench-real`, which `npm run bench:real` calls. experiments/real-bench does the work
// and is loaded when the command runs.

import { tmpdir } from "node:os"
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"

const flags = {
  rows: Flag.String("row").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription(
      "Measure only this row of the table; may be repeated (all; a wrong name lists them)"
    ),
    Flag.atLeast(0)
  ),
  systems: Flag.String("system").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription(
      "Measure only this system: shoal, distribution, zot, kraken or node; may be repeated (all)"
    ),
    Flag.atLeast(0)
  ),
  runs: Flag.Int("runs").pipe(
    Flag.withMetavar("NUMBER"),
    Flag.withDescription("Runs of each scenario; the median is reported (3; 1 with --small)"),
    Flag.optional
  ),
  small: Flag.Boolean("small").pipe(
    Flag.withDescription("The small form for CI: less than a minute, smaller blobs, fewer agents"),
    Flag.withDefault(false)
  ),
  check: Flag.Boolean("check").pipe(
    Flag.withDescription("Fail when a ratio of the table is missed by more than 15 %"),
    Flag.withDefault(false)
  ),
  conditions: Flag.String("conditions").pipe(
    Flag.withMetavar("TEXT"),
    Flag.withDescription("What else runs on the machine, for the report (nothing else ran)"),
    Flag.withDefault("nothing else ran")
  ),
  out: Flag.String("out").pipe(
    Flag.withMetavar("DIR"),
    Flag.withDescription("Folder of the report (reports/bench-real when all is measured; otherwise none)"),
    Flag.optional
  ),
  storage: Flag.String("storage").pipe(
    Flag.withMetavar("DIR"),
    Flag.withDescription(
      "Where the systems' folders are made: a disk, since syncs count (the temporary folder)"
    ),
    Flag.withDefault(tmpdir())
  )
}

export const realBenchCommand = Command.make("bench-real", flags, ({ runs, out, ...given }) =>
  Effect.flatMap(
    Effect.promise(() => import("../../experiments/real-bench/real-bench.ts")),
    ({ runRealBench }) =>
      runRealBench({
        ...given,
        ...(Option.isSome(runs) ? { runs: runs.value } : {}),
        ...(Option.isSome(out) ? { out: out.value } : {})
      })
  )
).pipe(
  Command.withDescription("Measure real processes beside distribution, zot, Kraken and bare Node"),
  Command.withExamples([
    { command: "npm run bench:real", description: "The whole table, three runs" },
    {
      command: "npm run bench:real -- --row push-large --row pull-proxy --runs 1",
      description: "Two rows, once"
    },
    {
      command: "npm run bench:real -- --small --check",
      description: "What CI can run: fails when a ratio is missed"
    }
  ])
)
