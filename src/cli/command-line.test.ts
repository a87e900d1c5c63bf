// The parts of the command line that are handled before effect's CLI sees them, and what the end of a command tells the
// person who started it.

import { Cause, Exit } from "effect"
import { CliError } from "effect/cli"
import { expect, test } from "vitest"
import { lastWords } from "./child-process.ts"
import { CliFailure, inOneLine, verdictOf } from "./cli-failure.ts"
import { experimentArguments, experimentHint } from "./experiment.ts"

test("shoal experiment lists, shoal experiment NAME runs", () => {
  expect(experimentArguments(["experiment"])).toEqual(["experiment", "list"])
  expect(experimentArguments(["experiment", "list"])).toEqual(["experiment", "list"])
  expect(experimentArguments(["experiment", "run", "x"])).toEqual(["experiment", "run", "x"])
  expect(experimentArguments(["experiment", "x", "--seed", "2"])).toEqual([
    "experiment",
    "run",
    "x",
    "--seed",
    "2"
  ])
  for (const word of ["all", "index", "list", "render", "verify"]) {
    expect(experimentArguments(["experiment", word, "--quick"])).toEqual(["experiment", word, "--quick"])
  }
  expect(experimentArguments(["experiment", "--help"])).toEqual(["experiment", "--help"])
  expect(experimentArguments(["up", "x"])).toEqual(["up", "x"])
})

test("a wrong experiment gets the names of all, and --quick without a name what it can stand behind", () => {
  const known = [{ name: "scale" }, { name: "bench-like" }]
  const hint = (path: string, problem: string) => experimentHint(path.split(" "), problem, known)
  expect(hint("shoal experiment run", 'Unknown subcommand "foo" for "shoal experiment run"')).toBe(
    "; the experiments are scale, bench-like"
  )
  expect(hint("shoal experiment", "Unrecognized flag: --quick in command shoal experiment")).toContain(
    "experiment all --quick"
  )
  expect(hint("shoal experiment run scale", "Unrecognized flag: --quik")).toBe("")
  expect(hint("shoal measure", "Unrecognized flag: --quick")).toBe("")
})

test("the reason of a child's end is the message in the last line of its log", () => {
  expect(lastWords("")).toBeUndefined()
  expect(lastWords('{"level":30,"msg":"listens"}\nshoal: port 1 is taken\n')).toBe("port 1 is taken")
  expect(lastWords('first\n{"level":60,"msg":"the disk is full"}\n')).toBe("the disk is full")
  expect(lastWords("{ not json\n")).toBe("{ not json")
  expect(lastWords('{"level":40,"msg":"no tracker answers"}\n')).toBe("no tracker answers")
  // What it happened to say before it was killed is no reason.
  expect(lastWords('{"level":60,"msg":"the disk is full"}\n{"level":30,"msg":"listens"}\n')).toBeUndefined()
})

test("a failure prints one line and exits with 1; a signal prints none and exits with 0", () => {
  const failed = Exit.fail(new CliFailure({ message: "port 1 is taken; use another\nand more" }))
  expect(verdictOf(failed)).toEqual({ code: 1, lines: ["shoal: port 1 is taken; use another"] })
  expect(verdictOf(Exit.interrupt(1))).toEqual({ code: 0, lines: [] })
  expect(verdictOf(Exit.void)).toEqual({ code: 0, lines: [] })
})

test("a wrong command line exits with 2, requested help with 0", () => {
  const wrong = new CliError.MissingOption({ option: "x" })
  expect(verdictOf(Exit.fail(new CliError.ShowHelp({ commandPath: ["shoal"], errors: [wrong] }))).code).toBe(
    2
  )
  expect(verdictOf(Exit.fail(new CliError.ShowHelp({ commandPath: ["shoal"], errors: [] }))).code).toBe(0)
})

test("a wrong command line is told in one line, as sentences, and each word once", () => {
  const rate = new CliError.InvalidValue({
    option: "rate",
    value: "20Mbps",
    expected: 'Schema validation failed: expected a rate such as 300MB/s, got "20Mbps"',
    kind: "flag"
  })
  expect(inOneLine(rate.message)).toBe(
    'Invalid value for flag --rate: "20Mbps". Expected a rate such as 300MB/s'
  )
  const unknown = new CliError.UnknownSubcommand({
    subcommand: "runn",
    parent: ["shoal", "experiment"],
    suggestions: ["run"]
  })
  expect(inOneLine(unknown.message)).toBe(
    'Unknown subcommand "runn" for "shoal experiment". Did you mean this? run'
  )
  const missing = new CliError.MissingOption({ option: "x" })
  expect(inOneLine(missing.message)).toBe(missing.message)
})

test("a bug shows its stack", () => {
  const verdict = verdictOf(Exit.failCause(Cause.die(new Error("broken invariant"))))
  expect(verdict.code).toBe(1)
  expect(verdict.lines.join("\n")).toMatch(/broken invariant[\s\S]*command-line\.test\.ts/)
})
