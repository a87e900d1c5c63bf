// The `shoal` command with its subcommands and global flags, as a value. Composition only; each subcommand is in a file
// beside this one. main.ts runs it.

import { Command, Flag, GlobalFlag } from "effect/cli"
import type { Experiment } from "../../experiments/engine/experiment.ts"
import { experimentCommand } from "./experiment.ts"
import { measureCommand } from "./measure.ts"
import { preheatCommand } from "./preheat.ts"
import {
  agentCommand,
  buildIndexCommand,
  herdCommand,
  originCommand,
  proxyCommand,
  trackerCommand
} from "./role-commands.ts"
import { upCommand } from "./up.ts"

/** Effect's own metavar repeats the choices that the description lists, beyond the width of a page. */
const completions: typeof GlobalFlag.Completions = {
  ...GlobalFlag.Completions,
  flag: Flag.withMetavar(GlobalFlag.Completions.flag, "SHELL")
}

export const globalFlags = [GlobalFlag.Help, GlobalFlag.Version, completions]

/** The command; `experiments` may be empty when the command line does not name one. */
export const shoalCommand = (experiments: ReadonlyArray<Experiment>) =>
  Command.make("shoal").pipe(
    Command.withDescription("A peer-to-peer container registry"),
    Command.withSubcommands([
      upCommand,
      herdCommand,
      agentCommand,
      originCommand,
      trackerCommand,
      buildIndexCommand,
      proxyCommand,
      preheatCommand,
      experimentCommand(experiments),
      measureCommand
    ])
  )
