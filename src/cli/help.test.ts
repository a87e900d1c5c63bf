// Holds the help of every command, those of each experiment included, to the width of a page.

import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer } from "effect"
import { CliConfig, CliOutput, Command } from "effect/cli"
import { expect, test } from "vitest"
import { experiments } from "../../experiments/registry.ts"
import { globalFlags, shoalCommand } from "./shoal.ts"

/** The width of a page, as in src/architecture/text-rules.ts. */
const columns = 120

const shoal = shoalCommand(experiments)

const pathsOf = (command: Command.Command.Any): ReadonlyArray<ReadonlyArray<string>> => [
  [],
  ...command.subcommands.flatMap(({ commands }) =>
    commands.flatMap((each) => pathsOf(each).map((path) => [each.name, ...path]))
  )
]

const helpOf = (path: ReadonlyArray<string>): Promise<string> => {
  let help = ""
  const kept: CliOutput.Presenter = {
    present: (event) =>
      Effect.sync(() => {
        if (event._tag === "Help")
          help = CliOutput.defaultFormatter({ colors: false }).formatHelpDoc(event.helpDoc)
      })
  }
  return Command.runWith(shoal, { version: "1" })([...path, "--help"]).pipe(
    Effect.provide(
      Layer.mergeAll(
        NodeServices.layer,
        CliOutput.layerPresenter(kept),
        CliConfig.layer({ builtIns: globalFlags })
      )
    ),
    Effect.map(() => help),
    Effect.runPromise
  )
}

test("every command's help fits the page", async () => {
  const paths = pathsOf(shoal)
  expect(paths).toContainEqual(["experiment", "run", experiments[0]?.name])
  for (const path of paths) {
    const lines = (await helpOf(path)).split("\n")
    expect(lines, path.join(" ")).toContain("GLOBAL FLAGS")
    expect(
      lines.filter((line) => line.length > columns),
      path.join(" ")
    ).toEqual([])
  }
})

test("the help of experiment lists every experiment and the small versions", async () => {
  const help = await helpOf(["experiment"])
  for (const { name } of experiments) expect(help).toContain(`shoal experiment ${name}`)
  expect(help).toContain("shoal experiment all --quick")
})
