// Measures the speed of the simulator: every flash crowd runs in a process of its own, one at a time, so that wall time
// and peak memory are its own. The table goes to stdout, progress to stderr. Nothing is kept: these numbers depend on
// the machine, not on the experiments.

import { spawn } from "node:child_process"
import { totalmem } from "node:os"
import { fileURLToPath } from "node:url"
import { Console, Data, Effect } from "effect"
import { type BenchPoint, overAgents, overBytes, promised, transfersOf } from "./bench-points.ts"
import { type BenchCost, type BenchedPoint, growthLines, promiseLines } from "./bench-table.ts"

/** A flash crowd of the bench failed; `message` says which one and how. */
export class BenchFailed extends Data.TaggedError("BenchFailed")<{ readonly message: string }> {}

export interface BenchRequest {
  /** Runs of every growing point, at least 1. The table shows medians. */
  readonly runs: number
  /** Whether to run the sizes with a promised speed too, which takes minutes and gigabytes. */
  readonly full: boolean
}

const child = fileURLToPath(new URL("./bench-point.ts", import.meta.url))

/** Bytes that a process needs besides its heap: for the young generation, code and buffers. */
const besideHeap = 800 * 2 ** 20

/**
 * Flags of a child. It may use most of the memory of the machine. Where memory is promised and time is not, its heap is
 * the promised memory, and it continues however often Node has to collect.
 */
const flagsFor = ({ limit }: BenchPoint): ReadonlyArray<string> => {
  const heap = (bytes: number) => `--max-old-space-size=${Math.floor(bytes / 2 ** 20)}`
  return limit?.memory === undefined || limit.seconds !== undefined
    ? [heap(totalmem() * 0.85)]
    : [heap(limit.memory - besideHeap), "--no-detect-ineffective-gcs-near-heap-limit"]
}

/** Runs one flash crowd in a child, which ends with this effect. */
const runPoint = (point: BenchPoint): Effect.Effect<BenchCost, BenchFailed> =>
  Effect.callback((resume) => {
    const { label, spec } = point
    const failed = (how: string) =>
      resume(Effect.fail(new BenchFailed({ message: `bench: ${label}: ${how}` })))
    const running = spawn(process.execPath, [...flagsFor(point), child, JSON.stringify(spec)], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    let output = ""
    running.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text
    })
    running.once("error", (error) => failed(error.message))
    running.once("close", (code, signal) => {
      if (code === 0) resume(Effect.succeed(JSON.parse(output) as BenchCost))
      else failed(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`)
    })
    return Effect.sync(() => running.kill("SIGKILL"))
  })

const tell = (line: string): Effect.Effect<void> => Effect.sync(() => process.stderr.write(`${line}\n`))

/** Runs the points in rounds, so that a busy time of the machine does not affect all runs of one point. */
const runRounds = (points: ReadonlyArray<BenchPoint>, runs: number) =>
  Effect.gen(function* () {
    const benched = points.map((point) => ({ point, costs: [] as BenchCost[] }))
    for (let run = 1; run <= runs; run++) {
      for (const { point, costs } of benched) {
        yield* tell(`run ${run} of ${runs}: ${point.label}, ${transfersOf(point)} piece transfers`)
        costs.push(yield* runPoint(point))
      }
    }
    return benched
  })

const print = (lines: ReadonlyArray<string>) =>
  Effect.forEach(lines, (line) => Console.log(line), { discard: true })

/** Measures and prints. Fails at the first flash crowd that does not complete. */
export const runBench = ({ runs, full }: BenchRequest): Effect.Effect<void, BenchFailed> =>
  Effect.gen(function* () {
    if (!Number.isInteger(runs) || runs < 1 || runs > 100) {
      return yield* new BenchFailed({
        message: `bench: --runs ${runs}: expected a whole number from 1 to 100`
      })
    }
    // The rows share a point, which is measured once.
    const points = [...new Map([...overAgents, ...overBytes].map((point) => [point.label, point])).values()]
    const benched = yield* runRounds(points, runs)
    const find = (row: ReadonlyArray<BenchPoint>): ReadonlyArray<BenchedPoint> =>
      row.flatMap(({ label }) => benched.filter(({ point }) => point.label === label))
    yield* print([
      "Over linear: cost of a flash crowd over its share of the transfers, relative to the first of its row; 1 is " +
        "linear,",
      "less is better. All rows contain the costs of starting a process and its hosts.",
      ""
    ])
    const medians = runs === 1 ? "one run each" : `medians of ${runs} runs`
    yield* print(growthLines(`Growth with agents, ${medians}`, find(overAgents)))
    yield* print(["", ...growthLines(`Growth with bytes, ${medians}`, find(overBytes))])
    if (full) yield* print(["", ...promiseLines(yield* runRounds(promised, 1))])
  })
