// Decides how `shoal up` runs a process of its own: the same launcher, output to a log file, a channel by which the
// child learns that its parent is gone, an end that is asked for first and forced when it takes too long. Knows nothing
// of roles.
//
//   started -> ended by itself        (a failure: told with the last line that it logged)
//   started -> asked to stop -> ended
//                            -> out of time -> killed

import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, existsSync, openSync, readFileSync, renameSync } from "node:fs"
import { join } from "node:path"
import { Deferred, type Duration, Effect, type Scope } from "effect"
import { CliFailure } from "./cli-failure.ts"

export interface ChildOptions {
  readonly name: string
  /** Arguments of the launcher. */
  readonly args: ReadonlyArray<string>
  readonly logFile: string
  /** Between SIGTERM and SIGKILL. */
  readonly patience: Duration.Input
}

export interface RunningChild {
  readonly name: string
  readonly pid: number
  /** Fails when the child has ended by itself, with its reason; never succeeds. */
  readonly died: Effect.Effect<never, CliFailure>
}

const launcher = join(import.meta.dirname, "..", "..", "bin", "shoal.js")

interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** The message of the last line of a log: of JSON its `msg`, otherwise the line. */
export const lastWords = (log: string): string | undefined => {
  const line = log.trimEnd().split("\n").at(-1)
  if (line === undefined || line === "") return undefined
  try {
    const parsed: unknown = JSON.parse(line)
    if (typeof parsed === "object" && parsed !== null && "msg" in parsed) return String(parsed.msg)
  } catch {
    // Not JSON: what the launcher or the runtime printed is a line as it is.
  }
  return line.replace(/^shoal: /, "")
}

const failure = (options: ChildOptions, { code, signal }: Ending): CliFailure => {
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`
  const words = lastWords(readFileSync(options.logFile, "utf8"))
  const why = words === undefined ? "" : `: ${words}`
  return new CliFailure({ message: `${options.name} ended (${how})${why} (log: ${options.logFile})` })
}

/** The log of the run before, kept beside the new one. */
const previousLog = (logFile: string): string => logFile.replace(/\.log$/, ".previous.log")

const start = (options: ChildOptions): ChildProcess => {
  if (existsSync(options.logFile)) renameSync(options.logFile, previousLog(options.logFile))
  const log = openSync(options.logFile, "w")
  try {
    // A group of its own: Ctrl-C on the terminal reaches this process only, which then asks its children in order.
    return spawn(process.execPath, [launcher, ...options.args], {
      stdio: ["ignore", log, log, "ipc"],
      detached: true
    })
  } finally {
    closeSync(log)
  }
}

/** Starts a child that is stopped when the scope closes. */
export const runChild = (options: ChildOptions): Effect.Effect<RunningChild, CliFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const ended = yield* Deferred.make<Ending>()
    const child = yield* Effect.acquireRelease(
      Effect.try({
        try: () => start(options),
        catch: (error) =>
          new CliFailure({ message: `cannot start ${options.name}: ${(error as Error).message}` })
      }),
      (child) =>
        Effect.gen(function* () {
          child.kill("SIGTERM")
          yield* Deferred.await(ended).pipe(
            Effect.timeoutOrElse({
              duration: options.patience,
              orElse: () =>
                Effect.gen(function* () {
                  yield* Effect.sync(() =>
                    process.stderr.write(`shoal: ${options.name} does not stop; killed\n`)
                  )
                  child.kill("SIGKILL")
                  yield* Deferred.await(ended)
                })
            })
          )
        })
    )
    const pid = yield* Effect.callback<number, CliFailure>((resume) => {
      child.once("spawn", () => resume(Effect.succeed(child.pid!)))
      child.once("error", (error) => {
        Deferred.doneUnsafe(ended, Effect.succeed({ code: null, signal: null }))
        resume(new CliFailure({ message: `cannot start ${options.name}: ${error.message}` }))
      })
      child.once("exit", (code, signal) => Deferred.doneUnsafe(ended, Effect.succeed({ code, signal })))
    })
    const died = Effect.flatMap(Deferred.await(ended), (ending) => failure(options, ending))
    return { name: options.name, pid, died }
  })
