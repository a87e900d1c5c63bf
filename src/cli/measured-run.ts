// Decides one measured run of real processes: a herd and agents of their own processes on loopback, with a rate limit
// each; a blob of random bytes is pushed, and every agent is asked for it at once. What is asked is
// experiments/registry-pull.ts. Processes and folders are new for each run and gone after it.
//
//   started -> ready -> pushed -> settled -> asked -> all done -> stopped, folder removed
//
// Invariant: nothing is left running, whatever fails; every step ends in time.

import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { loadavg } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { HttpClient } from "effect/http"
import type { MeasuredRun } from "../../experiments/measured.ts"
import { ascending } from "../../experiments/quantiles.ts"
import { pullAtOnce, pushBlob, randomBlob } from "../../experiments/registry-pull.ts"
import { rounded } from "../../experiments/result.ts"
import type { LoopbackOptions } from "../../experiments/simulated-loopback.ts"
import { nodeHttpClient } from "../runtime-net/http-client.ts"
import { monotonicNow } from "../runtime-net/node-timers.ts"
import { runChild } from "./child-process.ts"
import { CliFailure } from "./cli-failure.ts"
import { checkPorts, writeFolder } from "./preflight.ts"
import { processorUseDuring } from "./processor-time.ts"
import { untilReady } from "./up.ts"
import { planUp } from "./up-plan.ts"

export interface MeasuredPlace {
  /** Folders of the hosts' data are made below it. */
  readonly storage: string
  readonly portBase: number
}

/** After the push: what the origin still does with the blob, and the start of the last agent, are over. */
const settleTime = "3 seconds"
/** Time that the pulls may take, as a multiple of what the rate alone needs, and besides. */
const patienceFactor = 10
const patienceSeconds = 60
/** Between asking a process to stop and killing it. */
const stopWithin = "15 seconds"
const proxyPatience = "120 seconds"

const folderBelow = (storage: string) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => mkdtempSync(join(storage, "shoal-measured-")),
      catch: (error) =>
        new CliFailure({
          message: `cannot make a folder in ${storage}: ${error}; name another with --storage`
        })
    }),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )

const failed = (error: { readonly message: string }): CliFailure =>
  new CliFailure({ message: `the measured run failed: ${error.message}` })

const late = (what: string) => () => new CliFailure({ message: `the measured run: ${what} took too long` })

/** Runs it once. Fails in one line when a process does not start, a pull fails, or something takes too long. */
export const measureRun = (
  options: LoopbackOptions,
  { storage, portBase }: MeasuredPlace
): Effect.Effect<MeasuredRun, CliFailure> =>
  Effect.gen(function* () {
    const [load] = loadavg()
    const data = yield* folderBelow(storage)
    const { agents, size, rate, burst } = options
    const rates = { egressBytesPerSecond: rate, ingressBytesPerSecond: rate, burstBytes: burst }
    const plan = planUp({ agents, data, portBase, logLevel: "warn", rates })
    yield* writeFolder(data, plan)
    yield* checkPorts(plan)
    const children = yield* Effect.forEach(
      plan,
      ({ name, role, configFile, logFile }) =>
        runChild({ name, args: [role, "--config", configFile], logFile, patience: stopWithin }),
      { concurrency: "unbounded" }
    )
    const anyDied = Effect.raceAllFirst(children.map(({ died }) => died))
    const client = yield* HttpClient.HttpClient
    const registryOf = (port: number) => ({ url: `http://127.0.0.1:${port}`, client })
    const [herd, ...agentPlans] = plan
    const registries = agentPlans.map(({ ports }) => registryOf(ports[0]!.port))
    const blob = randomBlob(randomBytes(16).toString("hex"), size)

    const run = Effect.gen(function* () {
      yield* Effect.forEach(plan, untilReady, { discard: true, concurrency: "unbounded" })
      yield* pushBlob(registryOf(herd!.ports[0]!.port), blob).pipe(
        Effect.mapError(failed),
        Effect.timeoutOrElse({ duration: proxyPatience, orElse: late("the push") })
      )
      yield* Effect.sleep(settleTime)
      const pulls = pullAtOnce(registries, blob, monotonicNow).pipe(
        Effect.mapError(failed),
        Effect.timeoutOrElse({
          duration: `${Math.ceil((size / rate) * patienceFactor) + patienceSeconds} seconds`,
          orElse: late("the pulls")
        })
      )
      return yield* processorUseDuring([process.pid, ...children.map(({ pid }) => pid)], pulls)
    })
    const [completions, use] = yield* Effect.raceFirst(run, anyDied)
    const [first, ...others] = ascending(completions).map((micros) => Math.round(micros / 1000) / 1000)
    return {
      completions_s: [first!, ...others],
      cpu_share: rounded(Math.round(use.own * 1000) / 1000),
      machine_busy: rounded(Math.round(use.machine * 1000) / 1000),
      load_before: rounded(Math.round(load! * 100) / 100)
    } satisfies MeasuredRun
  }).pipe(Effect.scoped, Effect.provide(nodeHttpClient))
