// Tests of runs of all experiments, with made-up ones in real threads: equal bytes on one worker and on two, quick
// results that do not depend on the text of the sources, a verification that finds every different byte, and an index
// that marks reports of other code.

import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Console, Deferred, Effect, Fiber } from "effect"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { testLaboratory } from "../../testing/experiments/trial-experiments.ts"
import { writeIndex } from "./report-index.ts"
import { runAll } from "./run-all.ts"
import { type RunRequest, runExperiment } from "./run-experiment.ts"
import { firstDifference, verifyReports } from "./verify-reports.ts"

let folder = ""
const printed: Array<string> = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "shoal-all-"))
  printed.length = 0
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const record = (...parts: ReadonlyArray<unknown>) => void printed.push(parts.join(" "))
const recording: Console.Console = { ...globalThis.console, log: record, error: record }
const quietly = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.runPromise(Effect.provideService(effect, Console.Console, recording))

const bytesOf = async (directory: string) => {
  const names = (await readdir(directory)).sort()
  return Promise.all(
    names.map(async (name) => [name, await readFile(join(directory, name), "utf8")] as const)
  )
}

describe("a report", () => {
  it("has equal bytes on one worker and on two", async () => {
    const run = (workers: number) =>
      runExperiment("counted", { options: {}, workers, fresh: true }, testLaboratory(folder))
    await quietly(run(1))
    const one = await bytesOf(join(folder, "counted"))
    assert.strictEqual(one.length, 5)
    await rm(join(folder, "counted"), { recursive: true })
    await quietly(run(2))
    assert.deepStrictEqual(await bytesOf(join(folder, "counted")), one)
    assert.include(printed, "12 runs; 2 at a time, which need about 756 MiB of memory")
  })

  it("reuses the finished cells of an earlier run, unless it is told to measure again", async () => {
    const lab = testLaboratory(folder)
    await quietly(runExperiment("counted", { options: {}, workers: 1 }, lab))
    printed.length = 0
    await quietly(runExperiment("counted", { options: {}, workers: 1 }, lab))
    assert.include(printed, "12 runs, 12 of them kept from an earlier run; nothing is left to do")
    printed.length = 0
    await quietly(runExperiment("counted", { options: {}, workers: 1, fresh: true }, lab))
    assert.include(printed, "12 runs; one at a time, which need about 511 MiB of memory")
    printed.length = 0
    await quietly(runExperiment("counted", { options: {}, workers: 1 }, testLaboratory(folder, "other")))
    assert.include(printed, "12 runs; one at a time, which need about 511 MiB of memory")
  })
})

describe("a report of other options than the defaults", () => {
  it("goes to a folder of its own, and says so, unless another is named", async () => {
    const run = (request: Partial<RunRequest>) =>
      quietly(runExperiment("counted", { options: {}, workers: 1, ...request }, testLaboratory(folder)))
    const own = join(folder, "own", "counted")
    for (const request of [{ options: { cells: "2" } }, { seeds: "5" }]) {
      printed.length = 0
      const { report } = await run(request)
      assert.strictEqual(report?.directory, own)
      assert.include(printed, `other options than the report of the index: this one goes to ${own}`)
    }
    assert.deepStrictEqual((await readdir(folder)).sort(), [".cells", "own"])
    const elsewhere = join(folder, "elsewhere")
    assert.strictEqual((await run({ seeds: "5", out: elsewhere })).report?.directory, elsewhere)
    // What the page of the report says to type are the defaults.
    const { report } = await run({ seeds: "1,2", options: { cells: "6" } })
    assert.strictEqual(report?.directory, join(folder, "counted"))
    assert.include(await readdir(folder), "index.html")
  })
})

describe("an interrupted run", () => {
  it("says how many runs are kept, and how to go on", async () => {
    const lab = testLaboratory(folder)
    await quietly(runExperiment("counted", { options: { cells: "2" }, seeds: "1", workers: 1 }, lab))
    const stoppedOf = (fresh: boolean) =>
      quietly(
        Effect.gen(function* () {
          const announced = yield* Deferred.make<void>()
          const log = (line: string) => {
            if (/^\d runs/.test(line)) Deferred.doneUnsafe(announced, Effect.void)
          }
          const request = { options: { cells: "3", last: "hang" }, seeds: "1", workers: 2, fresh }
          const run = runExperiment("counted", request, lab).pipe(
            Effect.provideService(Console.Console, { ...recording, log })
          )
          const fiber = yield* Effect.forkChild(run)
          yield* Deferred.await(announced)
          yield* Fiber.interrupt(fiber)
          return printed.at(-1)
        })
      )
    assert.strictEqual(
      await stoppedOf(false),
      "stopped: 2 of 3 runs are kept; the same command continues from there"
    )
    assert.strictEqual(
      await stoppedOf(true),
      "stopped: 0 of 3 runs are kept; the same command without --fresh continues from there"
    )
  })
})

describe("one cell", () => {
  it("runs alone and writes nothing; a wrong label gets the nearest one suggested", async () => {
    const run = (cell: string) =>
      runExperiment("counted", { options: {}, workers: 1, cell }, testLaboratory(folder))
    const { traceHash, report } = await quietly(run("seed 2, cell 3"))
    assert.strictEqual(traceHash, "2-3")
    assert.isUndefined(report)
    assert.deepStrictEqual(await readdir(folder), [])
    const error = await quietly(Effect.flip(run("sed 2, cell 3")))
    assert.include(error.message, "--cell sed 2, cell 3: did you mean seed 2, cell 3?")
  })
})

describe("all experiments", () => {
  it("run and appear in the index with their charts; the index needs no network", async () => {
    await quietly(runAll({ workers: 1 }, testLaboratory(folder)))
    const page = await readFile(join(folder, "index.html"), "utf8")
    assert.notMatch(page, /https?:|\/\/[a-z]|@import|<script|<link|<img|<iframe|url\((?!#)/i)
    const [question, answer, chart, table] = ["How far do threads", "As far as 1", "<svg", "<table"].map(
      (text) => page.indexOf(text)
    )
    assert.isTrue(question! < answer! && answer! < chart! && chart! < table! && question !== -1)
    assert.notInclude(page, 'class="stale"')
    assert.include(page, 'href="counted/index.html"')
  })

  it("are marked in the index when other code made them", async () => {
    await quietly(runAll({ workers: 1 }, testLaboratory(folder, "one")))
    await quietly(runAll({ workers: 1, quick: true }, testLaboratory(folder, "two")))
    assert.notInclude(await readFile(join(folder, "index.html"), "utf8"), 'class="stale"')
    await quietly(writeIndex(testLaboratory(folder, "two")))
    assert.include(await readFile(join(folder, "index.html"), "utf8"), "the figures may have changed")
  })

  it("say on their own pages too that the command may give other figures, and back", async () => {
    await quietly(runAll({ workers: 1 }, testLaboratory(folder, "one")))
    const page = () => readFile(join(folder, "counted", "index.html"), "utf8")
    const made = await page()
    assert.include(made, "The same code, options and seeds give the same bytes")
    await quietly(writeIndex(testLaboratory(folder, "two")))
    assert.include(await page(), "measures with the present code and may give other figures")
    assert.notInclude(await page(), "the same bytes")
    await quietly(writeIndex(testLaboratory(folder, "one")))
    assert.strictEqual(await page(), made)
  })

  it("name the model of links under the answer and behind the title of a chart, also where a page had none", async () => {
    await quietly(runAll({ workers: 1 }, testLaboratory(folder)))
    const path = join(folder, "counted", "index.html")
    const made = await readFile(path, "utf8")
    for (const page of [made, await readFile(join(folder, "index.html"), "utf8")]) {
      assert.match(page, /<p class="answer">.*<\/p>\n<p class="links"><span>links: fair<\/span><\/p>/)
      assert.include(page, 'Sums<span class="unit"> · links: fair</span></h3>')
    }
    const former = made.replace(/<p class="links">.*\n/, "").replace(/<span class="unit"> · .*?<\/span>/, "")
    assert.notInclude(former, "links: fair")
    await writeFile(path, former)
    await quietly(writeIndex(testLaboratory(folder)))
    assert.strictEqual(await readFile(path, "utf8"), made)
  })

  it("are marked mildly while the figures of their small versions are the same", async () => {
    await quietly(runAll({ workers: 1, quick: true }, testLaboratory(folder, "one")))
    await quietly(runAll({ workers: 1 }, testLaboratory(folder, "one")))
    const index = async () => {
      await quietly(writeIndex(testLaboratory(folder, "two")))
      return readFile(join(folder, "index.html"), "utf8")
    }
    assert.include(await index(), "its small version still gives the same figures")
    const small = join(folder, "quick", "counted", "result.json")
    const text = await readFile(small, "utf8")
    await writeFile(small, text.replace("As far as", "Not as far as"))
    assert.include(await index(), "its small version still gives the same figures")
    await writeFile(small, text.replace('"value": 601', '"value": 602'))
    assert.include(await index(), "the figures may have changed")
    await quietly(writeIndex(testLaboratory(folder, "one")))
    assert.include(await readFile(join(folder, "index.html"), "utf8"), "the figures may have changed")
  })
})

describe("the index", () => {
  it("names experiments without a report, and reports of another version", async () => {
    const index = async () => {
      const path = await quietly(writeIndex(testLaboratory(folder)))
      return readFile(path, "utf8")
    }
    assert.include(await index(), "Not answered yet: <code>npm run experiment -- counted</code>")
    await quietly(runAll({ workers: 1 }, testLaboratory(folder)))
    await writeFile(join(folder, "counted", "result.json"), '{ "seed": 1 }')
    assert.include(await index(), "The report is of another version")
  })
})

describe("quick results", () => {
  const quick = (sources: string) =>
    runExperiment("counted", { options: {}, workers: 1, quick: true }, testLaboratory(folder, sources))
  const verify = Effect.suspend(() => verifyReports(1, testLaboratory(folder, "three")))
  const path = () => join(folder, "quick", "counted", "result.json")

  it("hold the result alone, whatever the fingerprint of the sources", async () => {
    await quietly(quick("one"))
    assert.deepStrictEqual(await readdir(join(folder, "quick", "counted")), ["result.json"])
    const one = await readFile(path(), "utf8")
    assert.include(one, '"seeds": "3"')
    await quietly(quick("two"))
    assert.strictEqual(await readFile(path(), "utf8"), one)
  })

  it("are verified byte by byte, with the first difference and the command that renews them", async () => {
    await quietly(quick("one"))
    await quietly(verify)
    assert.include(printed, "1 quick results are the same as the kept ones")
    const kept = await readFile(path(), "utf8")
    await writeFile(path(), kept.replace("As far as", "As near as"))
    const error = await quietly(Effect.flip(verify))
    assert.strictEqual(
      error.message,
      `${path()} differs: line 4 is kept as "answer": "As near as 601." and comes out as "answer": "As far as 601."; to refresh it: npm run experiment -- counted --quick`
    )
    await writeFile(path(), `${kept} `)
    assert.include((await quietly(Effect.flip(verify))).message, "is kept as ")
  })

  it("fail the verification when they are missing or belong to no experiment", async () => {
    assert.include((await quietly(Effect.flip(verify))).message, "is missing")
    await quietly(quick("one"))
    await writeFile(join(folder, "quick", "forgotten"), "")
    assert.include(
      (await quietly(Effect.flip(verify))).message,
      "forgotten belongs to no experiment: delete it"
    )
  })

  it("take no other options", async () => {
    const request = { options: { cells: "3" }, seeds: "1", workers: 1, quick: true }
    const error = await quietly(Effect.flip(runExperiment("counted", request, testLaboratory(folder))))
    assert.strictEqual(
      error.message,
      "counted: --quick is one fixed version: leave out --cells and --seed, or --quick"
    )
  })
})

describe("the first difference", () => {
  it("is the first line that differs, or the end of the shorter text", () => {
    assert.strictEqual(firstDifference("a\nb", "a\nc"), "line 2 is kept as b and comes out as c")
    assert.strictEqual(firstDifference("a", "a\nb"), "line 2 is kept as the end and comes out as b")
    assert.strictEqual(firstDifference("a", "a"), "the texts are equal")
  })
})
