// Tests of running an experiment, with a made-up one: seed and options first, hash last, equal bytes for equal input, a
// result that its schema reads, a page that needs no network, refusals in one line.

import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Console, Effect, Schema } from "effect"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { completionChart, spreadChart } from "../first-wave/first-wave-charts.ts"
import { readable } from "../report/report-tables.ts"
import { decodeResult, timesAgainst } from "../report/result.ts"
import { defineExperiment, ExperimentFailed, option } from "./experiment.ts"
import type { Laboratory } from "./laboratory.ts"
import { byteSizeText, countText } from "./option-text.ts"
import { type RunRequest, runExperiment } from "./run-experiment.ts"

const bound = 0.2

const sample = defineExperiment({
  name: "sample-race",
  title: "A race",
  question: "How long does a <race> take?",
  options: Schema.Struct({
    runners: option(countText(1, 5000), "400", "Runners at the start."),
    size: option(byteSizeText, "64 MiB", "Length of the course.")
  }),
  method: ["Everyone runs."],
  limits: ["Nobody stumbles & falls."],
  refuse: (options) =>
    options.runners === 13 ? "13 runners bring bad luck: take another number" : undefined,
  quick: { runners: "50" },
  seeds: "1",
  cells: (options, seeds) =>
    seeds.map((seed) => ({ label: `seed ${seed}`, input: { options, seed }, cost: 1, memory: 1e6 })),
  measure: ({ options, seed }, progress) =>
    options.runners === 666
      ? Effect.fail(
          new ExperimentFailed({ experiment: "sample-race", message: "sample-race: a runner flew" })
        )
      : Effect.sync(() => {
          progress.update(0.5, "running")
          const completions = Array.from(
            { length: options.runners },
            (_, runner) => bound * (1.01 + (0.001 * seed + 0.03 * (((runner * 7919) % 1000) / 1000) ** 3))
          )
          return { traceHash: `${seed}`.padStart(16, "0"), events: 10, completions }
        }),
  conclude: (options, _, outcomes) =>
    Effect.sync(() => {
      const completions = outcomes.flatMap((outcome) => outcome.completions)
      const samples = Array.from({ length: 101 }, (_, at) => ({
        seconds: at * 0.0021,
        fromOrigins: Math.min(1, at / 40) * options.size * 2,
        fromAgents: (at / 100) ** 1.1 * options.size * (options.runners - 2)
      }))
      return {
        strategies: { shoal: { blob: timesAgainst(bound, completions) } },
        figures: { steps: { value: 1234567.891, unit: "steps", meaning: "Steps of all runners." } },
        tables: [
          { title: "Shoes & socks", caption: "", columns: ["Shoe", "Worn"], rows: [["<left>", 1234567]] }
        ],
        charts: [
          completionChart({ completions, bound }),
          spreadChart({
            samples,
            agents: options.runners,
            origins: 1,
            bytes: options.size,
            pieceLength: 1 << 18,
            rate: 3e8,
            latency: 0.0005
          })
        ]
      }
    }),
  answer: () => "Not long."
})

const lab = (reports: string): Laboratory => ({
  registry: [sample],
  module: "",
  reports,
  fingerprints: () => Effect.succeed({ report: "sources", cell: "sources" }),
  watchSources: Effect.succeed(() => true)
})
let folder = ""
const printed: Array<string> = []
const recording: Console.Console = {
  ...globalThis.console,
  log: (...parts: ReadonlyArray<unknown>) => void printed.push(parts.join(" ")),
  error: (...parts: ReadonlyArray<unknown>) => void printed.push(parts.join(" "))
}

const run = (request: Partial<RunRequest>, name = "sample-race") => {
  printed.length = 0
  return runExperiment(name, { fresh: true, workers: 1, options: {}, ...request }, lab(folder)).pipe(
    Effect.provideService(Console.Console, recording)
  )
}

const failure = (request: Parameters<typeof run>[0], name?: string) =>
  Effect.runPromise(Effect.flip(run(request, name)))

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "shoal-report-"))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe("runExperiment", () => {
  it("prints seed and all options first and the trace hash last", async () => {
    await Effect.runPromise(run({ seeds: "7", out: join(folder, "printed"), options: { size: "1.5MB" } }))
    assert.deepStrictEqual(printed.slice(0, 4), [
      "sample-race: How long does a <race> take?",
      "seed 7",
      "runners 400",
      "size 1500kB"
    ])
    assert.strictEqual(printed.at(-1), "trace hash 0000000000000007")
  })

  it("writes equal bytes for equal seeds and options, whatever was there before", async () => {
    const [first, second] = [join(folder, "a"), join(folder, "b")]
    const { report } = await Effect.runPromise(run({ out: first }))
    const files = report!.files
    await Effect.runPromise(run({ out: second, seeds: "2" }))
    await writeFile(join(second, "notes.txt"), "mine")
    await Effect.runPromise(run({ out: second }))
    assert.deepStrictEqual(files, [
      "provenance.json",
      "result.json",
      "chart.vl.json",
      "chart.svg",
      "spread.vl.json",
      "spread.svg",
      "index.html"
    ])
    assert.deepStrictEqual((await readdir(first)).sort(), [...files].sort())
    assert.include(await readdir(second), "notes.txt")
    for (const file of files) {
      assert.strictEqual(
        await readFile(join(second, file), "utf8"),
        await readFile(join(first, file), "utf8"),
        file
      )
    }
  })

  it("writes a result that its schema reads, and refuses an unknown key", async () => {
    const out = join(folder, "schema")
    const { report } = await Effect.runPromise(run({ out, options: { runners: "10" } }))
    const text = await readFile(join(out, "result.json"), "utf8")
    const result = await Effect.runPromise(decodeResult(text))
    assert.deepStrictEqual(result.options, { runners: "10", size: "64MiB" })
    assert.strictEqual(result.trace_hash, report!.result.trace_hash)
    assert.closeTo(
      result.strategies.shoal!.blob!.ratio.max,
      report!.result.strategies.shoal!.blob!.ratio.max,
      1e-6
    )
    const extended = JSON.stringify({ ...JSON.parse(text), wall_s: 3 })
    assert.strictEqual((await Effect.runPromise(Effect.flip(decodeResult(extended))))._tag, "SchemaError")
  })

  it("makes a page that needs no network and escapes all texts", async () => {
    const out = join(folder, "page")
    await Effect.runPromise(run({ out }))
    const page = await readFile(join(out, "index.html"), "utf8")
    assert.notMatch(page, /https?:|\/\/[a-z]|@import|<script|<link|<img|<iframe|url\((?!#)/i)
    assert.include(page, "How long does a &lt;race&gt; take?")
    assert.include(page, "Nobody stumbles &amp; falls.")
    assert.include(page, "npm run experiment -- sample-race --seed 1 --runners 400 --size 64MiB")
    assert.include(page, "1,234,567.9")
    assert.include(page, "<h2>Shoes &amp; socks</h2>")
    assert.include(page, '<td>&lt;left&gt;</td><td class="number">1,234,567</td>')
  })

  it("suggests the nearest name and lists all for an unknown experiment or option, in one line", async () => {
    const unknown = await failure({}, "sample-rase")
    assert.strictEqual(unknown._tag, "ExperimentUnknown")
    assert.include(unknown.message, "did you mean sample-race?")
    const option = await failure({ options: { runer: "3" } })
    assert.strictEqual(option._tag, "OptionInvalid")
    assert.strictEqual(
      option.message,
      "sample-race: unknown option --runer: did you mean runners? the choices are runners, size"
    )
    assert.deepStrictEqual(printed, [])
  })

  it("refuses bad values, contradicting options and bad seeds before anything runs", async () => {
    const bad = await failure({ options: { size: "12 parsec" } })
    assert.strictEqual(
      bad.message,
      'sample-race: --size: expected a size such as 256MiB or 4000000, got "12 parsec"'
    )
    const refused = await failure({ options: { runners: "13" } })
    assert.strictEqual(refused.message, "sample-race: 13 runners bring bad luck: take another number")
    for (const seeds of ["x", "-1", "1.5", String(2 ** 53)]) {
      assert.strictEqual((await failure({ seeds }))._tag, "SeedInvalid", seeds)
    }
  })

  it("prints the command that repeats a failed run and writes nothing", async () => {
    const out = join(folder, "failed")
    const error = await failure({ out, seeds: "5", options: { runners: "666" } })
    assert.strictEqual(error._tag, "CellFailed")
    assert.strictEqual(error.message, 'sample-race: a runner flew (in the run "seed 5")')
    assert.strictEqual(
      printed.at(-1),
      "to repeat this run: npm run experiment -- sample-race --seed 5 --runners 666 --size 64MiB --cell 'seed 5'"
    )
    assert.notInclude(await readdir(folder), "failed")
  })

  it("fails in one line, before anything is measured, when a folder cannot be written", async () => {
    await writeFile(join(folder, "file"), "")
    for (const out of [join(folder, "file", "below"), "/dev/null/below", "/proc/nowhere/below"]) {
      const error = await failure({ out })
      assert.strictEqual(error._tag, "ReportUnwritable", out)
      assert.notInclude(error.message, "\n")
      assert.notInclude(printed.join(), "1 run", out)
    }
  })
})

describe("readable", () => {
  it("groups whole numbers and keeps about four figures of others", () => {
    const texts = [1234567, 0, 268.0849, 12.345, 0.99868, 0.00043, 1234567.891].map(readable)
    assert.deepStrictEqual(texts, ["1,234,567", "0", "268.1", "12.35", "0.999", "0.00043", "1,234,567.9"])
  })
})
