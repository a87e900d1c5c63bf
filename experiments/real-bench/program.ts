// A program under test as a child process: its output goes to a log, and it ends with the scope, by its id: SIGTERM,
// then SIGKILL to it and all its descendants when that takes too long. Knows neither registries nor the bench.
//
//   started -> ended by itself (a failure with the last line of its log)
//           -> asked to stop -> ended
//                            -> out of time -> killed

import { type ChildProcess, spawn } from "node:child_process"
import { accessSync, closeSync, constants, openSync, readFileSync } from "node:fs"
import { get } from "node:http"
import { delimiter, join } from "node:path"
import { Deferred, Effect, type Scope } from "effect"
import { RealBenchFailed } from "./bench-failed.ts"

export interface ProgramOptions {
  /** For people and for the name of its log. */
  readonly name: string
  readonly command: string
  readonly args: ReadonlyArray<string>
  /** Folder of its log. */
  readonly folder: string
  readonly env?: Readonly<Record<string, string>>
}

export interface RunningProgram {
  readonly pid: number
  /** Fails when the program ends by itself. It never succeeds. */
  readonly died: Effect.Effect<never, RealBenchFailed>
}

const stopWithin = "10 seconds"
const readyWithin = "60 seconds"
const betweenLooks = "4 millis"
const oneLookMilliseconds = 2000

/** The last line of a log that is not empty. */
const lastLine = (log: string): string => {
  try {
    return readFileSync(log, "utf8").trimEnd().split("\n").at(-1) ?? ""
  } catch {
    return ""
  }
}

const spawnLogged = ({ command, args, folder, env }: ProgramOptions, log: string): ChildProcess => {
  const output = openSync(log, "w")
  try {
    // A group of its own: Ctrl-C reaches the bench alone, and a kill reaches what the program started.
    return spawn(command, args, {
      stdio: ["ignore", output, output],
      detached: true,
      cwd: folder,
      env: { ...process.env, ...env }
    })
  } finally {
    closeSync(output)
  }
}

const killGroup = (child: ChildProcess): void => {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL")
  } catch {
    // Nothing of the group is left.
  }
}

/** Starts a program, and stops it when the scope closes. */
export const startProgram = (
  options: ProgramOptions
): Effect.Effect<RunningProgram, RealBenchFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { name, folder } = options
    const log = join(folder, `${name}.log`)
    const ended = yield* Deferred.make<string>()
    const child = yield* Effect.acquireRelease(
      Effect.try({
        try: () => spawnLogged(options, log),
        catch: (error) => new RealBenchFailed({ message: `cannot start ${name}: ${error}` })
      }),
      (child) =>
        Effect.gen(function* () {
          child.kill("SIGTERM")
          yield* Deferred.await(ended).pipe(Effect.timeoutOption(stopWithin))
          killGroup(child)
          yield* Deferred.await(ended)
        })
    )
    const pid = yield* Effect.callback<number, RealBenchFailed>((resume) => {
      child.once("exit", (code, signal) =>
        Deferred.doneUnsafe(ended, Effect.succeed(signal ?? `exit code ${code}`))
      )
      child.once("spawn", () => resume(Effect.succeed(child.pid!)))
      child.once("error", (error) => {
        Deferred.doneUnsafe(ended, Effect.succeed(error.message))
        resume(new RealBenchFailed({ message: `cannot start ${name}: ${error.message}` }))
      })
    })
    const died = Effect.flatMap(
      Deferred.await(ended),
      (how) => new RealBenchFailed({ message: `${name} ended (${how}): ${lastLine(log)}` })
    )
    return { pid, died }
  })

const answers = (url: string): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const request = get(url, { agent: false, timeout: oneLookMilliseconds }, (response) => {
      response.resume()
      resume(Effect.succeed(response.statusCode === 200))
    })
    request.on("timeout", () => request.destroy())
    request.on("error", () => resume(Effect.succeed(false)))
    return Effect.sync(() => request.destroy())
  })

/** Waits until the URL answers 200. Fails when the program ends, or when it takes too long. */
export const untilReady = (
  name: string,
  program: RunningProgram,
  url: string
): Effect.Effect<void, RealBenchFailed> =>
  Effect.raceFirst(
    Effect.gen(function* () {
      while (!(yield* answers(url))) yield* Effect.sleep(betweenLooks)
    }).pipe(
      Effect.timeoutOrElse({
        duration: readyWithin,
        orElse: () => new RealBenchFailed({ message: `${name} is not ready after ${readyWithin}: ${url}` })
      })
    ),
    program.died
  )

/** The file that PATH finds, as a shell does; undefined when there is none. */
export const findInPath = (name: string, path: string = process.env.PATH ?? ""): string | undefined =>
  [...path.split(delimiter), "/usr/sbin"]
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
