// `shoal up`, the embedded default: one command starts a herd and agents as processes on loopback, prints where
// everything listens and how to use it, and stays until Ctrl-C or until one of the processes ends. up-plan.ts says what
// is started.
//
//   checked -> started -> ready ("shoal is ready") -> Ctrl-C: all stopped, exit code 0
//                                                  -> one ended: which and why, the rest stopped, exit code 1

import { get } from "node:http"
import { resolve } from "node:path"
import { Console, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { runChild } from "./child-process.ts"
import { CliFailure } from "./cli-failure.ts"
import { checkPorts, lockFolder, writeFolder } from "./preflight.ts"
import { describeUp, mostAgents, type PlannedProcess, planUp, type UpOptions } from "./up-plan.ts"

/** A process that is not ready within this time counts as failed. */
const readyWithin = "60 seconds"
const betweenLooks = "30 millis"
const patience = "8 seconds"
const oneLookMilliseconds = 2000

const flags = {
  agents: Flag.Int("agents").pipe(
    Flag.withDescription("Number of agents; their registries are 1000 ports apart (2)"),
    Flag.withDefault(2)
  ),
  data: Flag.String("data").pipe(
    Flag.withMetavar("DIR"),
    Flag.withDescription("Folder of all data (.shoal)"),
    Flag.withDefault(".shoal")
  ),
  portBase: Flag.Int("port-base").pipe(
    Flag.withMetavar("PORT"),
    Flag.withDescription("Port of the proxy; all other ports are relative to it (15000)"),
    Flag.withDefault(15_000)
  ),
  ownNames: Flag.String("own-name").pipe(
    Flag.withMetavar("HOST:PORT"),
    Flag.withDescription("A name under which clients know the cluster (for ns); may be repeated"),
    Flag.atLeast(0)
  ),
  host: Flag.String("host").pipe(
    Flag.withMetavar("HOST"),
    Flag.withDescription(
      "Address of all listeners: an IPv4 address, an IPv6 address such as ::1, or a name (127.0.0.1)"
    ),
    Flag.map((host) => host.replace(/^\[(.*)\]$/, "$1").toLowerCase()),
    Flag.withDefault("127.0.0.1")
  ),
  logLevel: Flag.Literals("log", ["trace", "debug", "info", "warn", "error", "silent"]).pipe(
    Flag.withDescription("The lowest level in the log files (info)"),
    Flag.withDefault("info" as const)
  )
}

const checkOptions = (options: UpOptions): Effect.Effect<void, CliFailure> => {
  const most = mostAgents(options.portBase)
  if (options.portBase < 1 || options.portBase > 65_531) {
    return new CliFailure({ message: `--port-base ${options.portBase}: expected 1 to 65531` })
  }
  if (options.agents < 0 || options.agents > most) {
    return new CliFailure({
      message: `--agents ${options.agents}: expected 0 to ${most}, as many as --port-base leaves ports for`
    })
  }
  return Effect.void
}

/** Why the URL does not answer 200; undefined when it does. Each check has a connection of its own. */
const look = (url: string): Effect.Effect<string | undefined> =>
  Effect.callback<string | undefined>((resume) => {
    const request = get(url, { agent: false, timeout: oneLookMilliseconds }, (response) => {
      const body: Array<string> = []
      response.on("error", (error) => resume(Effect.succeed(error.message)))
      response.setEncoding("utf8").on("data", (text: string) => body.push(text))
      response.on("end", () =>
        resume(Effect.succeed(response.statusCode === 200 ? undefined : body.join("").trim()))
      )
    })
    request.on("timeout", () => request.destroy(new Error("no answer")))
    request.on("error", (error) => resume(Effect.succeed(error.message)))
    return Effect.sync(() => request.destroy())
  })

/** Waits until all listeners of the process are ready; after the time limit it fails with the reason that they give. */
export const untilReady = (process: PlannedProcess): Effect.Effect<void, CliFailure> =>
  Effect.gen(function* () {
    let reason = "it does not answer"
    const ready = (url: string) =>
      Effect.gen(function* () {
        for (;;) {
          const problem = yield* look(url)
          if (problem === undefined) return
          reason = `${url} says: ${problem}`
          yield* Effect.sleep(betweenLooks)
        }
      })
    yield* Effect.forEach(process.readiness, ready, { discard: true, concurrency: "unbounded" }).pipe(
      Effect.timeoutOrElse({
        duration: readyWithin,
        orElse: () =>
          new CliFailure({
            message: `${process.name} is not ready after ${readyWithin}: ${reason} (log: ${process.logFile})`
          })
      })
    )
  })

const runUp = (options: UpOptions) =>
  Effect.gen(function* () {
    yield* checkOptions(options)
    const plan = planUp({ ...options, register: true })
    yield* lockFolder(options.data)
    yield* checkPorts(plan)
    // Only now: a cluster that runs here keeps its configuration.
    yield* writeFolder(options.data, plan)
    const children = yield* Effect.forEach(
      plan,
      ({ name, role, configFile, logFile }) =>
        runChild({ name, args: [role, "--config", configFile], logFile, patience }),
      { concurrency: "unbounded" }
    )
    // It is printed when the scope has closed.
    const anyDied = Effect.mapError(
      Effect.raceAllFirst(children.map(({ died }) => died)),
      ({ message }) => new CliFailure({ message: `${message}; everything is stopped` })
    )
    const ready = Effect.forEach(plan, untilReady, { discard: true, concurrency: "unbounded" })
    yield* Effect.raceFirst(ready, anyDied)
    for (const line of describeUp(options, plan)) yield* Console.log(line)
    yield* Console.log("shoal is ready")
    yield* anyDied
  }).pipe(Effect.scoped)

export const upCommand = Command.make("up", flags, ({ agents, data, portBase, host, ownNames, logLevel }) =>
  runUp({ agents, data: resolve(data), portBase, host, ownNames, logLevel })
).pipe(
  Command.withDescription("Run a herd and agents on this machine"),
  Command.withExamples([
    { command: "shoal up", description: "Two agents, data in ./.shoal, the proxy on port 15000" },
    {
      command: "shoal up --agents 4 --data /tmp/swarm --port-base 25000",
      description: "Four agents elsewhere, on ports of their own"
    }
  ])
)
