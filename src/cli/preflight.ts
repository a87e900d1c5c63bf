// Checks whether `shoal up` can start: its folder is writable and not in use, and its ports are free. Each refusal is
// one line that says what to do. Another process can still take a port after this check; then the process that needs
// the port reports it.
//
// Invariant: the lock of the folder is a lock of the operating system (SQLite's), so it ends with the process, however
// the process ends.

import { writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { dirname, join } from "node:path"
import { Data, Effect, type Scope } from "effect"
import { makeFolder } from "../../experiments/report/make-folder.ts"
import { CliFailure } from "./cli-failure.ts"
import type { PlannedPort, PlannedProcess } from "./up-plan.ts"

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const cannotWrite = (data: string) => (error: unknown) =>
  new CliFailure({
    message: `cannot write the folder ${data}: ${messageOf(error)}; name another with --data DIR`
  })

/** Makes the folder, the folders of the logs, and the configuration of each process. */
export const writeFolder = (
  data: string,
  plan: ReadonlyArray<PlannedProcess>
): Effect.Effect<void, CliFailure> =>
  Effect.try({
    try: () => {
      for (const { configFile, logFile, config } of plan) {
        makeFolder(dirname(configFile))
        makeFolder(dirname(logFile))
        writeFileSync(configFile, `${JSON.stringify(config, undefined, 2)}\n`)
      }
    },
    catch: cannotWrite(data)
  })

/** Another process holds the lock. */
class LockTaken extends Data.TaggedError("LockTaken")<{ readonly file: string }> {}

/** Holds a lock of the operating system on `file` until the scope closes; the file itself stays. */
export const lockFile = (file: string): Effect.Effect<void, LockTaken | CliFailure, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      const { DatabaseSync } = yield* Effect.promise(() => import("node:sqlite"))
      return yield* Effect.try({
        try: () => {
          const database = new DatabaseSync(file)
          database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
          return database
        },
        catch: (error) =>
          messageOf(error).includes("locked")
            ? new LockTaken({ file })
            : new CliFailure({ message: `cannot lock ${file}: ${messageOf(error)}` })
      })
    }),
    (database) => Effect.sync(() => database.close())
  ).pipe(Effect.asVoid)

/** Makes the folder if there is none, and locks it against another `shoal up` until the scope closes. */
export const lockFolder = (data: string): Effect.Effect<void, CliFailure, Scope.Scope> =>
  Effect.gen(function* () {
    yield* Effect.try({ try: () => makeFolder(data), catch: cannotWrite(data) })
    yield* Effect.mapError(lockFile(join(data, "in-use.lock")), (error) =>
      error._tag === "LockTaken"
        ? new CliFailure({
            message: `the folder ${data} is in use by another "shoal up"; stop that one or name another with --data DIR`
          })
        : new CliFailure({ message: `${error.message}; name another with --data DIR` })
    )
  })

const portProblem = ({ use, host, port }: PlannedPort): Effect.Effect<string | undefined> =>
  Effect.callback<string | undefined>((resume) => {
    const server = createServer()
    server.once("error", (error: NodeJS.ErrnoException) => {
      const reason = error.code === "EADDRINUSE" ? "is taken" : `cannot be used (${error.message})`
      resume(Effect.succeed(`port ${port} of ${host} (${use}) ${reason}`))
    })
    server.listen({ host, port }, () => server.close(() => resume(Effect.succeed(undefined))))
  })

/** Fails with the name of each port that cannot be listened on. */
export const checkPorts = (plan: ReadonlyArray<PlannedProcess>): Effect.Effect<void, CliFailure> =>
  Effect.gen(function* () {
    const found = yield* Effect.forEach(
      plan.flatMap(({ ports }) => ports),
      portProblem,
      { concurrency: "unbounded" }
    )
    const problems = found.filter((problem) => problem !== undefined)
    if (problems.length === 0) return
    yield* new CliFailure({
      message: `${problems.join(", ")}; stop what listens there, or shift all ports with --port-base PORT`
    })
  })
