// A child process of `shoal up`: the same launcher, its output in a log file, and a channel that closes when the parent
// is gone. To stop a child, the parent asks first and kills it when that takes too long. Knows nothing of roles.
//
//   started -> ended by itself        (a failure, reported with the last line of its log if that is a warning)
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
  /** Between SIGTERM and SIGKILL; "none" kills it at once, when nothing that it holds matters. */
  readonly patience: Duration.Input | "none"
  /** Programs with their arguments that become the child in the end, such as `ip netns exec NAME`. */
  readonly through?: ReadonlyArray<string>
}

export interface RunningChild {
  readonly name: string
  readonly pid: number
  /** Fails with the reason when the child ends by itself. It never succeeds. */
  readonly died: Effect.Effect<never, CliFailure>
}

const launcher = join(import.meta.dirname, "..", "..", "bin", "shoal.js")

interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** pino's number of the level "warn". */
const warn = 40

/**
 * The message in the last line of a log, if it may be the reason of an end: the `msg` of a JSON line from warn on, or
 * the whole of another line.
 */
export const lastWords = (log: string): string | undefined => {
  const line = log.trimEnd().split("\n").at(-1)
  if (line === undefined || line === "") return undefined
  try {
    const parsed: unknown = JSON.parse(line)
    if (typeof parsed === "object" && parsed !== null && "msg" in parsed) {
      return "level" in parsed && Number(parsed.level) < warn ? undefined : String(parsed.msg)
    }
  } catch {
    // The line is not JSON: the launcher or the runtime printed it.
  }
  return line.replace(/^shoal: /, "")
}

const failure = (options: ChildOptions, { code, signal }: Ending): CliFailure => {
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`
  const words = lastWords(readFileSync(options.logFile, "utf8"))
  const why = words === undefined ? "" : `: ${words}`
  return new CliFailure({ message: `${options.name} ended (${how})${why} (log: ${options.logFile})` })
}

/** Keeps the log of the previous run beside the new one. */
const previousLog = (logFile: string): string => logFile.replace(/\.log$/, ".previous.log")

/** The flags of V8 that bin/shoal.js gives to the roles that `shoal up` starts when it starts another Node. */
const nodeFlags = ([role]: ReadonlyArray<string>): ReadonlyArray<string> => [
  `--max-semi-space-size=${role === "agent" ? 4 : 16}`
]

const start = (options: ChildOptions): ChildProcess => {
  if (existsSync(options.logFile)) renameSync(options.logFile, previousLog(options.logFile))
  const log = openSync(options.logFile, "w")
  try {
    // The child has its own process group, so Ctrl-C reaches this process alone, which then stops its children in
    // order.
    // A program that becomes the child keeps its id and its channel.
    const node = [process.execPath, ...nodeFlags(options.args), launcher]
    const [program, ...args] = [...(options.through ?? []), ...node, ...options.args]
    return spawn(program!, args, {
      stdio: ["ignore", log, log, "ipc"],
      detached: true
    })
  } finally {
    closeSync(log)
  }
}

/** Starts a child, and stops it when the scope closes. */
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
          const { patience } = options
          child.kill(patience === "none" ? "SIGKILL" : "SIGTERM")
          if (patience === "none") return yield* Deferred.await(ended)
          yield* Deferred.await(ended).pipe(
            Effect.timeoutOrElse({
              duration: patience,
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
