// Runs jobs in client processes (client-program.ts): all are started and have loaded before the first one begins, so
// that the instants between which the kernel's counters are read enclose the work alone. Every process ends with the
// scope.

import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Deferred, Effect, type Scope } from "effect"
import { RealBenchFailed } from "./bench-failed.ts"
import {
  type ClientCost,
  type ClientJob,
  type PullDone,
  type PullJob,
  type PushLargeDone,
  type PushLargeJob,
  type PushSmallDone,
  type PushSmallJob,
  readyLine
} from "./client-jobs.ts"

const program = fileURLToPath(new URL("./client-program.ts", import.meta.url))
const readyWithin = "30 seconds"

export type DoneOf<Job extends ClientJob> = ClientCost &
  (Job extends PushSmallJob
    ? PushSmallDone
    : Job extends PushLargeJob
      ? PushLargeDone
      : Job extends PullJob
        ? PullDone
        : never)

export interface WaitingClient<Job extends ClientJob> {
  readonly pid: number
  /** Begins the job, and gives its answer. */
  readonly work: Effect.Effect<DoneOf<Job>, RealBenchFailed>
}

/** Starts a client, which waits. */
export const startClient = <Job extends ClientJob>(
  job: Job
): Effect.Effect<WaitingClient<Job>, RealBenchFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const ready = yield* Deferred.make<void, RealBenchFailed>()
    const answer = yield* Deferred.make<DoneOf<Job>, RealBenchFailed>()
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [program, JSON.stringify(job)], { stdio: ["pipe", "pipe", "pipe"] })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    let output = ""
    let problem = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text
      if (output.startsWith(`${readyLine}\n`)) Deferred.doneUnsafe(ready, Effect.void)
    })
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      problem += text
    })
    // A client that ended no longer reads; its end is reported below.
    child.stdin.on("error", () => undefined)
    const failed = (how: string) => {
      const failure = new RealBenchFailed({ message: `a client (${job.kind}) ${how}` })
      Deferred.doneUnsafe(ready, failure)
      Deferred.doneUnsafe(answer, failure)
    }
    child.once("error", (error) => failed(`cannot start: ${error.message}`))
    child.once("close", (code, signal) => {
      const last = output.trimEnd().split("\n").at(-1) ?? ""
      if (code === 0 && last !== readyLine) {
        Deferred.doneUnsafe(answer, Effect.succeed(JSON.parse(last) as DoneOf<Job>))
      } else failed(problem.trim().split("\n", 1)[0] || `ended (${signal ?? `exit code ${code}`})`)
    })
    yield* Deferred.await(ready).pipe(
      Effect.timeoutOrElse({
        duration: readyWithin,
        orElse: () => new RealBenchFailed({ message: `a client (${job.kind}) does not load` })
      })
    )
    return {
      pid: child.pid!,
      work: Effect.andThen(
        Effect.sync(() => child.stdin.write("go\n")),
        Deferred.await(answer)
      )
    }
  })
