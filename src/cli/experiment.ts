// Decides how experiments are listed and run from the command line: a subcommand for each, whose flags are the
// experiment's own options, with --seed and --out for all. What an experiment is, and how its report is written, is
// experiments/. The experiments are loaded only when the command line names them.

import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import type { Experiment } from "../../experiments/experiment.ts"

/**
 * The command line with the two short forms written out: `shoal experiment` lists, `shoal experiment NAME` runs, so
 * that `npm run experiment -- NAME` needs no further word.
 */
export const experimentArguments = (commandLine: ReadonlyArray<string>): ReadonlyArray<string> => {
  const [command, next, ...rest] = commandLine
  if (command !== "experiment") return commandLine
  if (next === undefined) return [command, "list"]
  if (next === "list" || next === "run" || next.startsWith("-")) return commandLine
  return [command, "run", next, ...rest]
}

const seedFlag = Flag.String("seed").pipe(
  Flag.withMetavar("SEEDS"),
  Flag.withDescription("3, 1-5 or 1,4,9; the same seeds and options give the same report"),
  Flag.optional
)

const outFlag = Flag.String("out").pipe(
  Flag.withMetavar("DIR"),
  Flag.withDescription("Where to write the report (reports/NAME)"),
  Flag.optional
)

const listed = (experiments: ReadonlyArray<Experiment>): ReadonlyArray<string> => {
  const width = Math.max(...experiments.map(({ name }) => name.length))
  return [
    ...experiments.map(({ name, question }) => `${name.padEnd(width)}  ${question}`),
    "",
    'run one with "npm run experiment -- NAME" or "shoal experiment run NAME"; --help after the name lists its options'
  ]
}

const runCommandOf = (experiment: Experiment) => {
  const options = Object.fromEntries(
    experiment.options.map(({ name, meaning, byDefault }) => [
      name,
      Flag.String(name).pipe(
        Flag.withMetavar("VALUE"),
        Flag.withDescription(`${meaning} (${byDefault})`),
        Flag.optional
      )
    ])
  )
  return Command.make(experiment.name, { seed: seedFlag, out: outFlag, options }, ({ seed, out, options }) =>
    Effect.gen(function* () {
      const { runExperiment } = yield* Effect.promise(() => import("../../experiments/run-experiment.ts"))
      const given = Object.entries(options).flatMap(([name, text]) =>
        Option.isSome(text) ? [[name, text.value] as const] : []
      )
      yield* runExperiment(experiment.name, {
        ...(Option.isSome(seed) ? { seeds: seed.value } : {}),
        ...(Option.isSome(out) ? { out: out.value } : {}),
        options: Object.fromEntries(given)
      })
    })
  ).pipe(Command.withDescription(experiment.question))
}

/** The subcommand; `experiments` may be empty when the command line does not name it. */
export const experimentCommand = (experiments: ReadonlyArray<Experiment>) => {
  const list = Command.make("list", {}, () =>
    Effect.forEach(listed(experiments), (line) => Console.log(line), { discard: true })
  ).pipe(Command.withDescription("What can be asked"))
  const run = Command.make("run").pipe(
    Command.withDescription("Run one and write its report"),
    Command.withSubcommands(experiments.map(runCommandOf))
  )
  return Command.make("experiment").pipe(
    Command.withDescription("Questions that the simulator answers"),
    Command.withSubcommands([list, run])
  )
}
