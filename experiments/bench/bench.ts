// Decides how the simulator's speed is measured: every wave in a process of its own, one at a time, so that wall time and
// peak memory are that wave's alone; the table goes to stdout, what is going on to stderr. Nothing is kept: these numbers
// are of the machine and not of the experiments.

import { spawn } from "node:child_process"
import { totalmem } from "node:os"
import { fileURLToPath } from "node:url"
import { Console, Data, Effect } from "effect"
import { type BenchPoint, overAgents, overBytes, promised, transfersOf } from "./bench-points.ts"
import { type BenchCost, type BenchedPoint, growthLines, promiseLines } from "./bench-table.ts"

/** A wave of the bench did not end well; `message` says which and how. */
export class BenchFailed extends Data.TaggedError("BenchFailed")<{ readonly message: string }> {}

export interface BenchRequest {
  /** Runs of every growing point, at least 1; medians are told. */
  readonly runs: number
  /** The promised sizes as well: minutes, and some gigabytes. */
  readonly full: boolean
}

const child = fileURLToPath(new URL("./bench-point.ts", import.meta.url))

/** Bytes that a process takes beside its heap: the young generation, code, buffers. */
const besideHeap = 800 * 2 ** 20

/**
 * Flags of a child. It may use most of the machine; where memory is promised and time is not, its heap is what the
 * promise leaves, and it goes on however often it has to be collected.
 */
const flagsFor = ({ limit }: BenchPoint): ReadonlyArray<string> => {
  const heap = (bytes: number) => `--max-old-space-size=${Math.floor(bytes / 2 ** 20)}`
  return limit?.memory === undefined || limit.seconds !== undefined
    ? [heap(totalmem() * 0.85)]
    : [heap(limit.memory - besideHeap), "--no-detect-ineffective-gcs-near-heap-limit"]
}

/** Runs one wave in a child, which ends with this effect. */
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

/** The points in rounds, so that a machine that is busy for a while does not hit all runs of one. */
const runRounds = (points: ReadonlyArray<BenchPoint>, runs: number) =>
  Effect.gen(function* () {
    const costs = new Map<BenchPoint, Array<BenchCost>>(points.map((point) => [point, []]))
    for (let run = 1; run <= runs; run++) {
      for (const point of points) {
        yield* tell(`run ${run} of ${runs}: ${point.label}, ${transfersOf(point)} piece transfers`)
        costs.get(point)!.push(yield* runPoint(point))
      }
    }
    return points.map((point): BenchedPoint => ({ point, costs: costs.get(point)! }))
  })

const print = (lines: ReadonlyArray<string>) =>
  Effect.forEach(lines, (line) => Console.log(line), { discard: true })

/** Measures and prints. Fails at the first wave that does not complete. */
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
    const find = ({ label }: BenchPoint): BenchedPoint => benched.find(({ point }) => point.label === label)!
    yield* print([
      "Over linear: how many times more than its share of the transfers a wave takes, beside the first of its row; 1 is",
      "linear, less is better than that. What a process and a host cost at the start is in all rows.",
      ""
    ])
    const medians = runs === 1 ? "one run each" : `medians of ${runs} runs`
    yield* print(growthLines(`Growth with agents, ${medians}`, overAgents.map(find)))
    yield* print(["", ...growthLines(`Growth with bytes, ${medians}`, overBytes.map(find))])
    if (full) yield* print(["", ...promiseLines(yield* runRounds(promised, 1))])
  })
