// The subcommands of `shoal experiment`: list, run, verify, render and index. Each experiment is a subcommand of run,
// with its own options as flags and some flags for all. Experiments and reports are in experiments/; they are loaded
// only when the command line names them.

import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import type { Experiment } from "../../experiments/engine/experiment.ts"
import { realBenchCommand } from "./real-bench.ts"

const words = ["all", "bench", "bench-real", "index", "list", "render", "run", "verify"]

/**
 * Expands the two short forms: `shoal experiment` lists, and `shoal experiment NAME` runs, so that
 * `npm run experiment -- NAME` needs no further word.
 */
export const experimentArguments = (commandLine: ReadonlyArray<string>): ReadonlyArray<string> => {
  const [command, next, ...rest] = commandLine
  if (command !== "experiment") return commandLine
  if (next === undefined) return [command, "list"]
  if (words.includes(next) || next.startsWith("-")) return commandLine
  return [command, "run", next, ...rest]
}

const workersFlag = Flag.Int("workers").pipe(
  Flag.withMetavar("NUMBER"),
  Flag.withDescription("Threads that measure (all cores); the result does not depend on them"),
  Flag.optional
)

const spreadFlags = {
  workers: workersFlag,
  quick: Flag.Boolean("quick").pipe(
    Flag.withDescription("Run the small version and keep reports/quick/NAME/result.json"),
    Flag.withDefault(false)
  ),
  fresh: Flag.Boolean("fresh").pipe(
    Flag.withDescription("Measure everything again, including what an interrupted run has finished"),
    Flag.withDefault(false)
  )
}

const ownFlags = {
  seed: Flag.String("seed").pipe(
    Flag.withMetavar("SEEDS"),
    Flag.withDescription("3, 1-5 or 1,4,9; the same seeds and options give the same report"),
    Flag.optional
  ),
  out: Flag.String("out").pipe(
    Flag.withMetavar("DIR"),
    Flag.withDescription("Folder of the report (reports/NAME; reports/own/NAME with other options or seeds)"),
    Flag.optional
  ),
  cell: Flag.String("cell").pipe(
    Flag.withMetavar("LABEL"),
    Flag.withDescription("Run only this cell of the experiment and write no report"),
    Flag.optional
  )
}

/** What a person may have meant by a command line that was not understood; empty when there is nothing to add. */
export const experimentHint = (
  commandPath: ReadonlyArray<string>,
  problem: string,
  experiments: ReadonlyArray<Pick<Experiment, "name">>
): string => {
  const path = commandPath.slice(1).join(" ")
  if (path === "experiment" && problem.includes("--quick")) {
    return '; "experiment all --quick" runs every small version, "experiment NAME --quick" one of them'
  }
  if (path !== "experiment run" || !problem.startsWith("Unknown subcommand")) return ""
  return `; the experiments are ${experiments.map(({ name }) => name).join(", ")}`
}

/** Only the flags that are present. */
const given = <A>(flags: Readonly<Record<string, Option.Option<A>>>): Readonly<Record<string, A>> =>
  Object.fromEntries(
    Object.entries(flags).flatMap(([name, value]) => (Option.isSome(value) ? [[name, value.value]] : []))
  )

const listed = (experiments: ReadonlyArray<Experiment>): ReadonlyArray<string> => {
  const width = Math.max(...experiments.map(({ name }) => name.length))
  return [
    ...experiments.map(({ name, question }) => `${name.padEnd(width)}  ${question}`),
    "",
    'run one with "npm run experiment -- NAME" or "shoal experiment run NAME"; --help after the name lists its options'
  ]
}

/**
 * The text, cut where it would make a line of help too wide. A list of names need not be whole there: a wrong name is
 * answered with all choices.
 */
const fitting = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, width - 3).replace(/[ ,][^ ,]*$/, "")} ...`

/** Loaded when a command needs it, because experiments take longer to load than the rest of the command line. */
const loadLaboratory = Effect.map(
  Effect.promise(() => import("../../experiments/laboratory.ts")),
  ({ laboratory }) => laboratory
)

const runCommandOf = (experiment: Experiment) => {
  const options = Object.fromEntries(
    experiment.options.map(({ name, meaning, byDefault }) => [
      name,
      Flag.String(name).pipe(
        Flag.withMetavar("VALUE"),
        Flag.withDescription(`${meaning} (${fitting(byDefault, 60)})`),
        Flag.optional
      )
    ])
  )
  const flags = { ...spreadFlags, ...ownFlags, options }
  return Command.make(experiment.name, flags, ({ seed, out, cell, workers, quick, fresh, options }) =>
    Effect.gen(function* () {
      const { runExperiment } = yield* Effect.promise(
        () => import("../../experiments/engine/run-experiment.ts")
      )
      const request = {
        ...given({ seeds: seed, out, cell }),
        ...given({ workers }),
        quick,
        fresh,
        options: given(options)
      }
      yield* runExperiment(experiment.name, request, yield* loadLaboratory)
    })
  ).pipe(
    Command.withDescription(experiment.question),
    Command.withShortDescription(fitting(experiment.question, 95))
  )
}

const all = Command.make("all", spreadFlags, ({ workers, quick, fresh }) =>
  Effect.gen(function* () {
    const { runAll } = yield* Effect.promise(() => import("../../experiments/engine/run-all.ts"))
    yield* runAll({ ...given({ workers }), quick, fresh }, yield* loadLaboratory)
  })
).pipe(Command.withDescription("Run every experiment and write its report"))

const verify = Command.make("verify", { workers: workersFlag }, ({ workers }) =>
  Effect.gen(function* () {
    const { verifyReports } = yield* Effect.promise(
      () => import("../../experiments/engine/verify-reports.ts")
    )
    yield* verifyReports(Option.getOrUndefined(workers), yield* loadLaboratory)
  })
).pipe(Command.withDescription("Make the quick versions again and compare them with the committed ones"))

const benchFlags = {
  runs: Flag.Int("runs").pipe(
    Flag.withMetavar("NUMBER"),
    Flag.withDescription("Runs of each flash crowd; the median is reported (3)"),
    Flag.withDefault(3)
  ),
  full: Flag.Boolean("full").pipe(
    Flag.withDescription("Also run the sizes that have a promised speed: many minutes and up to 8 GiB"),
    Flag.withDefault(false)
  )
}

const bench = Command.make("bench", benchFlags, (request) =>
  Effect.gen(function* () {
    const { runBench } = yield* Effect.promise(() => import("../../experiments/bench/bench.ts"))
    yield* runBench(request)
  })
).pipe(
  Command.withDescription("Measure the simulator: piece transfers per second, memory, and how both grow")
)

const index = Command.make("index", {}, () =>
  Effect.gen(function* () {
    const { writeIndex } = yield* Effect.promise(() => import("../../experiments/engine/report-index.ts"))
    yield* Console.log(yield* writeIndex(yield* loadLaboratory))
  })
).pipe(Command.withDescription("Write reports/index.html, one page for all reports"))

const render = Command.make("render", {}, () =>
  Effect.gen(function* () {
    const { renderReports } = yield* Effect.promise(
      () => import("../../experiments/engine/render-reports.ts")
    )
    yield* renderReports(yield* loadLaboratory)
  })
).pipe(Command.withDescription("Word answers and pages of the reports again, without measuring"))

/** The subcommand; `experiments` may be empty when the command line does not name it. */
export const experimentCommand = (experiments: ReadonlyArray<Experiment>) => {
  const list = Command.make("list", {}, () =>
    Effect.forEach(listed(experiments), (line) => Console.log(line), { discard: true })
  ).pipe(Command.withDescription("List the experiments"))
  const run = Command.make("run").pipe(
    Command.withDescription("Run one experiment and write its report"),
    Command.withSubcommands(experiments.map(runCommandOf))
  )
  const examples = [
    ...experiments.map(({ name, question }) => ({
      command: `shoal experiment ${name}`,
      description: fitting(question, 95)
    })),
    {
      command: "shoal experiment NAME --quick",
      description: "The small version of one experiment; --help after the name lists its options"
    },
    { command: "shoal experiment all --quick", description: "The small version of every experiment" }
  ]
  return Command.make("experiment").pipe(
    Command.withDescription("Run experiments on the simulator"),
    Command.withExamples(experiments.length === 0 ? [] : examples),
    Command.withSubcommands([list, run, all, bench, realBenchCommand, verify, render, index])
  )
}
