// What `npm run check` and `npm test` run, one program after the other until one fails, and how long each took.
//
//   node src/architecture/check.ts                      everything that one process can test
//   node src/architecture/check.ts --all                also `shoal` processes and real container clients
//   node src/architecture/check.ts --changed [COMMIT]   for what differs from COMMIT (HEAD): the same checks of all
//                                                       sources, and the tests nearest to the change
//
// Types, lint, format and unused exports take seconds for the whole tree, so only tests are chosen.

import { spawnSync } from "node:child_process"
import { globSync, readFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { changedSince, UnknownCommit } from "./changed-files.ts"
import { nearestTests } from "./nearest-tests.ts"
import { readSources } from "./source-files.ts"

const root = join(import.meta.dirname, "..", "..")
const programs = join(root, "node_modules", ".bin")

/** Milliseconds of the tests' own time after a change: half of that on two cores, and as long again to load them. */
const budget = 14_000

/** Milliseconds assumed of a test that has not run here yet. */
const unknownDuration = 2000

type Step = readonly [name: string, program: string, ...args: ReadonlyArray<string>]

const staticSteps: ReadonlyArray<Step> = [
  ["types", "tsc", "-b"],
  ["lint, format and order of imports", "biome", "check", "--error-on-warnings", "."],
  ["unused", "knip"]
]

/** Milliseconds that each test file took when it last ran here, as vitest notes them. */
const recordedDurations = (): ReadonlyMap<string, number> => {
  const durations = new Map<string, number>()
  for (const record of globSync("node_modules/.vite/vitest/*/results.json", { cwd: root })) {
    const { projects } = JSON.parse(readFileSync(join(root, record), "utf8"))
    const files = Object.entries<{ readonly duration: number }>(projects?.here?.files ?? {})
    for (const [path, { duration }] of files) durations.set(path, duration)
  }
  return durations
}

const testsOfChange = (commit: string): Step => {
  const durations = recordedDurations()
  const changed = changedSince(root, commit)
  const { chosen, left } = nearestTests(
    readSources(root),
    changed,
    (path) => durations.get(path) ?? unknownDuration,
    budget
  )
  const rest = left.length === 0 ? "" : `; ${left.length} more need it and are left to npm run check`
  console.log(`check: ${changed.length} files differ from ${commit}: ${chosen.length} files of tests${rest}`)
  return ["tests", "vitest", "run", "--project=here", "src/architecture.test.ts", ...chosen]
}

const stepsFor = (args: ReadonlyArray<string>): ReadonlyArray<Step> | undefined => {
  const [option, commit, ...others] = args
  if (option === "--changed" && others.length === 0) return [...staticSteps, testsOfChange(commit ?? "HEAD")]
  if (commit !== undefined) return undefined
  if (option === undefined) return [...staticSteps, ["tests", "vitest", "run", "--project=here"]]
  if (option === "--all") {
    const projects = ["here", "processes", "clients"].map((name) => `--project=${name}`)
    return [...staticSteps, ["tests", "vitest", "run", ...projects]]
  }
  return undefined
}

/** Ends the program when the arguments name no commit. */
const chosenSteps = (): ReturnType<typeof stepsFor> => {
  try {
    return stepsFor(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof UnknownCommit)) throw error
    console.error(`check: ${error.message}`)
    return process.exit(2)
  }
}

const steps = chosenSteps()
if (steps === undefined) {
  console.error(
    "check: takes nothing, --all or --changed [COMMIT]; npm run unit -- PATH runs the tests of a path"
  )
  process.exit(2)
}
const env = { ...process.env, PATH: `${programs}${delimiter}${process.env.PATH}` }
const times: Array<string> = []
for (const [name, program, ...args] of steps) {
  const began = performance.now()
  const { status, signal, error } = spawnSync(join(programs, program), args, {
    cwd: root,
    env,
    stdio: "inherit"
  })
  if (error !== undefined) throw error
  if (status !== 0) {
    console.error(`check: ${name} failed (${signal ?? `exit code ${status}`}): ${program} ${args.join(" ")}`)
    process.exit(status ?? 1)
  }
  times.push(`${name} ${((performance.now() - began) / 1000).toFixed(1)} s`)
}
console.log(`check: ${times.join(", ")}`)
