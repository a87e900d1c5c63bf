// One measured run of real processes: a herd and agents as processes of their own on loopback, with a rate limit each.
// A blob of random bytes is pushed, and every agent is asked for it at the same time
// (experiments/sim-versus-net/registry-pull.ts). Each run has new processes and folders and removes them at its end.
//
//   started -> ready -> warmed up with another blob -> pushed -> quiet -> pulls begin -> pulls end -> stopped, removed
//
// Invariants: nothing is left running, whatever fails; every step has a time limit.

import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { loadavg } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { HttpClient } from "effect/http"
import { ascending } from "../../experiments/report/quantiles.ts"
import { rounded } from "../../experiments/report/result.ts"
import type { MeasuredRun } from "../../experiments/sim-versus-net/measured.ts"
import {
  pullAtOnce,
  pushBlob,
  type RandomBlob,
  randomBlob,
  warmUpBytes
} from "../../experiments/sim-versus-net/registry-pull.ts"
import type { LoopbackOptions } from "../../experiments/sim-versus-net/simulated-loopback.ts"
import { invariant } from "../protocol/kit/invariant.ts"
import { nodeHttpClient } from "../runtime-net/http/http-client.ts"
import { monotonicNow } from "../runtime-net/platform/node-timers.ts"
import { runChild } from "./child-process.ts"
import { CliFailure } from "./cli-failure.ts"
import { checkPorts, writeFolder } from "./preflight.ts"
import { processorUseDuring } from "./processor-time.ts"
import { quietMachine } from "./quiet-machine.ts"
import { untilReady } from "./up.ts"
import { planUp } from "./up-plan.ts"

export interface MeasuredPlace {
  /** Parent of the data folders of the hosts. */
  readonly storage: string
  readonly portBase: number
  /**
   * The pulls begin when less than this share of all cores is in use: the processes have settled, and nothing else
   * runs. 1 does not wait.
   */
  readonly quietBelow: number
}

/** Time limit of the pulls: a multiple of the time that the rate alone needs, and a constant. */
const patienceFactor = 10
const patienceSeconds = 60
/** Between asking a process to stop and killing it. */
const stopWithin = "15 seconds"
const pushWithin = "120 seconds"

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

/** Runs once. Fails with one line when a process does not start, a pull fails, or a step takes too long. */
export const measureRun = (
  options: LoopbackOptions,
  { storage, portBase, quietBelow }: MeasuredPlace
): Effect.Effect<MeasuredRun, CliFailure> =>
  Effect.gen(function* () {
    let load = 0
    const data = yield* folderBelow(storage)
    const { agents, size, rate, burst } = options
    const rates = { egress: rate, ingress: rate, burst }
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
    const [herd, ...registries] = plan.flatMap(({ ports: [registry] }) =>
      registry === undefined ? [] : [{ url: `http://127.0.0.1:${registry.port}`, client }]
    )
    invariant(herd !== undefined, "every process of a plan has a port for clients")
    const fresh = (length: number) => randomBlob(randomBytes(16).toString("hex"), length)
    const blob = fresh(size)
    const push = (pushed: RandomBlob) =>
      pushBlob(herd, pushed).pipe(
        Effect.mapError(failed),
        Effect.timeoutOrElse({ duration: pushWithin, orElse: late("a push") })
      )
    const pull = (pulled: RandomBlob) =>
      pullAtOnce(registries, pulled, monotonicNow).pipe(
        Effect.mapError(failed),
        Effect.timeoutOrElse({
          duration: `${Math.ceil((pulled.bytes.byteLength / rate) * patienceFactor) + patienceSeconds} seconds`,
          orElse: late("the pulls")
        })
      )

    const run = Effect.gen(function* () {
      yield* Effect.forEach(plan, untilReady, { discard: true, concurrency: "unbounded" })
      const warmUp = fresh(warmUpBytes)
      yield* push(warmUp)
      yield* pull(warmUp)
      yield* push(blob)
      yield* quietMachine(quietBelow)
      load = loadavg()[0] ?? 0
      return yield* processorUseDuring([process.pid, ...children.map(({ pid }) => pid)], pull(blob))
    })
    const [completions, use] = yield* Effect.raceFirst(run, anyDied)
    const [first, ...others] = ascending(completions).map((micros) => Math.round(micros / 1000) / 1000)
    return {
      completions_s: [first!, ...others],
      cpu_share: rounded(Math.round(use.own * 1000) / 1000),
      machine_busy: rounded(Math.round(use.machine * 1000) / 1000),
      load_before: rounded(Math.round(load * 100) / 100)
    } satisfies MeasuredRun
  }).pipe(Effect.scoped, Effect.provide(nodeHttpClient))
