// The command npm run mutation: inserts small faults into sources and reports those that npm run check would not
// notice.

import { readFileSync, writeFileSync } from "node:fs"
import { join, posix, relative, resolve } from "node:path"
import { parseArgs } from "node:util"
import { isOfCheck } from "../../src/architecture/nearest-tests.ts"
import { readSources } from "../../src/architecture/source-files.ts"
import { staleEquivalents } from "./equivalent.ts"
import { type Mutant, mutantsOf, sampleOf } from "./mutants.ts"
import { productOf } from "./product.ts"
import { deathsOf, jsonOf, survivors, totalsLine, totalsOf } from "./report.ts"
import { type Finding, Survey, TestsFail } from "./survey.ts"

const help = `npm run mutation -- FILE[:LINE]...          mutants of these files, or of these lines
npm run mutation -- --sample 300 --seed 1   a sample of all mutants of the product

  --sample N      mutants drawn from protocol, roles, runtime-net and runtime-sim (or from FILE...)
  --seed SEED     what the sample is drawn with (default 1)
  --tests TEXT    only test files whose path holds TEXT (default: all of npm run check)
  --workers N     mutants at the same time; each takes a core and a half (default 1)
  --budget N      seconds of tests that a mutant meets alone before others join it (default 15)
  --together N    most mutants that join in one run (default 12)
  --again FILE    takes the dead of an earlier --out for dead, and judges the others
  --out FILE      every mutant and its fate as JSON, renewed while it runs
`

class UsageError extends Error {
  override readonly name = "UsageError"
}

const root = join(import.meta.dirname, "..", "..")

const count = (name: string, text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new UsageError(`--${name} must be a whole number from 1, not "${text}"`)
  return value
}

interface Place {
  readonly path: string
  /** Undefined is every line. */
  readonly line: number | undefined
}

const placeOf = (text: string): Place => {
  const [, path, line] = /^(.*?)(?::(\d+))?$/.exec(text)!
  return {
    path: relative(root, resolve(path!)).split("\\").join(posix.sep),
    line: line === undefined ? undefined : Number(line)
  }
}

const options = () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      sample: { type: "string" },
      seed: { type: "string", default: "1" },
      tests: { type: "string", default: "" },
      workers: { type: "string", default: "1" },
      budget: { type: "string", default: "15" },
      together: { type: "string", default: "12" },
      again: { type: "string" },
      out: { type: "string" },
      help: { type: "boolean", default: false }
    }
  })
  return {
    ...values,
    sample: values.sample === undefined ? undefined : count("sample", values.sample),
    workers: count("workers", values.workers),
    budget: count("budget", values.budget),
    together: count("together", values.together),
    places: positionals.map(placeOf)
  }
}

const earlierDeaths = (path: string): ReturnType<typeof deathsOf> => {
  try {
    return deathsOf(readFileSync(path, "utf8"))
  } catch (error) {
    throw new UsageError(`--again ${path} is not what --out writes: ${(error as Error).message}`)
  }
}

const run = async (): Promise<void> => {
  const { places, sample, seed, tests, workers, budget, together, again, out, help: wantsHelp } = options()
  if (wantsHelp) {
    process.stdout.write(help)
    return
  }
  if (places.length === 0 && sample === undefined) throw new UsageError("name files, or the size of a sample")
  const files = readSources(root)
  const unknown = places.find(({ path }) => !files.some((file) => file.path === path))
  if (unknown !== undefined) throw new UsageError(`${unknown.path} is no source of this repository`)
  const chosen =
    places.length === 0
      ? productOf(files)
      : files.filter(({ path }) => places.some((one) => one.path === path))
  const whole = chosen.flatMap(({ path, text }) => mutantsOf(path, text))
  const all = whole.filter(
    ({ path, line }) =>
      places.length === 0 ||
      places.some((one) => one.path === path && (one.line === undefined || one.line === line))
  )
  const bare = places.find(
    ({ path, line }) => !all.some((mutant) => mutant.path === path && (line ?? mutant.line) === mutant.line)
  )
  if (bare !== undefined) {
    const line = bare.line === undefined ? "" : `:${bare.line}`
    throw new UsageError(`${bare.path}${line} has nothing to mutate`)
  }
  if (!files.some(({ path }) => isOfCheck(path) && path.includes(tests))) {
    throw new UsageError(`--tests ${tests} is in the path of no test file of npm run check`)
  }
  const mutants = sample === undefined ? all : sampleOf(all, sample, seed)
  const findings = new Map<Mutant, Finding>()
  const drawn = sample === undefined ? undefined : seed
  const keep = (): void => {
    if (out !== undefined) writeFileSync(out, jsonOf(findings, drawn))
  }
  const began = performance.now()
  const say = (text: string): void => {
    process.stderr.write(`${Math.round((performance.now() - began) / 1000)} s  ${text}\n`)
  }
  say(`${mutants.length} of ${all.length} mutants of ${chosen.length} files`)
  for (const { file, line } of staleEquivalents(whole)) {
    say(`equivalent.json names no mutant of ${file} any more: ${line}`)
  }
  const deaths = again === undefined ? () => undefined : earlierDeaths(again)
  const judged = mutants.filter((mutant) => {
    const death = deaths(mutant)
    if (death !== undefined) findings.set(mutant, death)
    return death === undefined
  })
  try {
    keep()
  } catch (error) {
    throw new UsageError(`--out ${out}: ${(error as Error).message}`)
  }
  if (again !== undefined) say(`${mutants.length - judged.length} are dead already`)
  const survey = new Survey({
    repository: root,
    files,
    mutants: judged,
    tests,
    workers,
    budget: budget * 1000,
    together,
    onProgress: say,
    onFinding: (mutant, finding) => {
      findings.set(mutant, finding)
      keep()
    }
  })
  let interrupted = false
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      interrupted = true
      void survey.end().finally(() => process.exit(130))
    })
  }
  try {
    await survey.run()
  } catch (error) {
    // What a killed program says of its end is no news.
    if (!interrupted) throw error
    return
  }
  process.stdout.write(`${[...survivors(findings), totalsLine(totalsOf(findings))].join("\n")}\n`)
}

try {
  await run()
} catch (error) {
  const usage =
    error instanceof UsageError || (error as NodeJS.ErrnoException).code?.startsWith("ERR_PARSE_ARGS")
  if (!usage && !(error instanceof TestsFail)) throw error
  process.stderr.write(`mutation: ${(error as Error).message}${usage ? "; --help shows how" : ""}\n`)
  process.exitCode = usage ? 2 : 1
}
