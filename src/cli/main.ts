// Runs the `shoal` command as a process: how it reports a wrong command line, and how the process ends. The command is
// in shoal.ts.
//
// Invariants: a wrong command line prints one line and exits with 2; a failure prints one line and exits with 1; a
// signal, or the end of a parent that keeps a channel to this process, stops everything in order and exits with 0.

import { readFileSync } from "node:fs"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer } from "effect"
import { CliConfig, CliOutput, Command } from "effect/cli"
import { inOneLine, verdictOf } from "./cli-failure.ts"
import { experimentArguments, experimentHint } from "./experiment.ts"
import { globalFlags, shoalCommand } from "./shoal.ts"

const version: string = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8")
).version

/** Time between a signal and the end of the process, whatever still runs. */
const stopWithinMilliseconds = 20_000

const commandLine = experimentArguments(process.argv.slice(2))
const experiments =
  commandLine[0] === "experiment" ? (await import("../../experiments/registry.ts")).experiments : []

const shoal = shoalCommand(experiments)

/** Reports a wrong command line in one line. The whole help appears only on request. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.sync(() => {
          const problem = event.errors.map(({ message }) => inOneLine(message)).join("; ")
          const hint = experimentHint(event.commandPath, problem, experiments)
          process.stderr.write(`shoal: ${problem}${hint} (see "${event.commandPath.join(" ")} --help")\n`)
        })
      : CliOutput.defaultPresenter.present(event)
}

Command.runWith(shoal, { version })(commandLine).pipe(
  Effect.provide(
    Layer.mergeAll(
      NodeServices.layer,
      CliOutput.layerPresenter(presenter),
      CliConfig.layer({ builtIns: globalFlags })
    )
  ),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, end) => {
      const { code, lines } = verdictOf(exit)
      for (const line of lines) process.stderr.write(`${line}\n`)
      end(code)
    }
  })
)

const stop = () => process.kill(process.pid, "SIGTERM")
process.once("SIGHUP", stop)
// The parent is a launcher or `shoal up`. When it is killed, nothing else stops this process.
process.once("disconnect", stop)
process.channel?.unref()
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () =>
    setTimeout(() => {
      process.stderr.write("shoal: still not stopped; ends as it is\n")
      process.exit(1)
    }, stopWithinMilliseconds).unref()
  )
}
