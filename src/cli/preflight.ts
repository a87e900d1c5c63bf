// Decides whether `shoal up` can start at all: the folder can be written and is not in use by another, the ports are
// free. Each refusal is one line that says what to do. A port may still be taken between this look and its use; then
// the process that wanted it says so.
//
// Invariant: the folder's lock is a lock of the operating system (SQLite's), so it ends with the process, however that
// ends.

import { mkdirSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { dirname, join } from "node:path"
import { Effect, type Scope } from "effect"
import { CliFailure } from "./cli-failure.ts"
import type { PlannedPort, PlannedProcess } from "./up-plan.ts"

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Makes the folder and writes the processes' configurations, logs' folders included. */
export const writeFolder = (
  data: string,
  plan: ReadonlyArray<PlannedProcess>
): Effect.Effect<void, CliFailure> =>
  Effect.try({
    try: () => {
      for (const { configFile, logFile, config } of plan) {
        mkdirSync(dirname(configFile), { recursive: true })
        mkdirSync(dirname(logFile), { recursive: true })
        writeFileSync(configFile, `${JSON.stringify(config, undefined, 2)}\n`)
      }
    },
    catch: (error) =>
      new CliFailure({
        message: `cannot write the folder ${data}: ${messageOf(error)}; name another with --data DIR`
      })
  })

/** Keeps another `shoal up` out of the folder, which must exist, for as long as the scope is open. */
export const lockFolder = (data: string): Effect.Effect<void, CliFailure, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      const { DatabaseSync } = yield* Effect.promise(() => import("node:sqlite"))
      return yield* Effect.try({
        try: () => {
          const database = new DatabaseSync(join(data, "in-use.lock"))
          database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
          return database
        },
        catch: (error) =>
          new CliFailure({
            message: messageOf(error).includes("locked")
              ? `the folder ${data} is in use by another "shoal up"; stop that one or name another with --data DIR`
              : `cannot lock the folder ${data}: ${messageOf(error)}; name another with --data DIR`
          })
      })
    }),
    (database) => Effect.sync(() => database.close())
  ).pipe(Effect.asVoid)

const portProblem = ({ use, host, port }: PlannedPort): Effect.Effect<string | undefined> =>
  Effect.callback<string | undefined>((resume) => {
    const server = createServer()
    server.once("error", (error: NodeJS.ErrnoException) => {
      const reason = error.code === "EADDRINUSE" ? "is taken" : `cannot be used (${error.message})`
      resume(Effect.succeed(`port ${port} of ${host} (${use}) ${reason}`))
    })
    server.listen({ host, port }, () => server.close(() => resume(Effect.succeed(undefined))))
  })

/** Fails, naming each, when a port cannot be listened on. */
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
