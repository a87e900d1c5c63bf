// The kernel of a simulation: virtual integer microseconds, and one event at a time in (time, sequence) order.
// Between two events, every fiber of Effect runs to its next wait. The Clock, Random and Scheduler of every fiber
// belong to the kernel, so a role cannot notice that the world is simulated.
//
//   run: fork the fiber -> [ drain ready fibers -> fiber done? -> earliest event -> now = its time -> fire ]*
//
// Invariants: time never goes back; a fiber yields after a count of operations, never after elapsed time; a run that
// cannot finish (no event left, budget spent, an instant that does not end) fails with a message that says where it
// stopped.

import {
  Cause,
  Clock,
  Context,
  Duration,
  Effect,
  type Exit,
  Formatter,
  Logger,
  Random,
  References,
  Scheduler,
  Tracer
} from "effect"
import { InvariantViolation, invariant } from "../../protocol/kit/invariant.ts"
import type { Micros } from "../../protocol/kit/time.ts"
import { guarded, outside } from "./ambient-guard.ts"
import { type EventHandle, EventQueue, type EventTarget } from "./event-queue.ts"
import { ReadyQueue } from "./ready-queue.ts"
import { type RandomStream, randomStream } from "./seeded-random.ts"
import { Trace, type TraceWindow } from "./trace.ts"

/** The run cannot continue. `message` says why and at what virtual time. */
export class SimulationStuck extends Error {
  override readonly name = "SimulationStuck"
}

export interface KernelOptions {
  readonly seed: string
  /** Receives log lines with virtual time and host. When absent, nothing is logged. */
  readonly log?: ((line: string) => void) | undefined
  readonly logLevel?: "Trace" | "Debug" | "Info" | "Warn" | "Error"
  /** Records the events of this window for a first-divergence report. */
  readonly traceWindow?: TraceWindow | undefined
}

export interface RunLimits {
  /** Virtual time that the run may take; one hour when absent. */
  readonly virtualTime?: Micros
  readonly events?: number
  /** Fiber turns within one instant. More of them mean a loop that never waits. */
  readonly turns?: number
}

/** The wall clock of a simulated host starts here: 2026-01-01T00:00:00Z. */
export const epochMillis = 1_767_225_600_000

const defaultVirtualTime = 3_600_000_000
const defaultTurns = 20_000_000

/** The kernel's own number, for events that belong to no host. */
export const noHost = 0

export const eventKinds = {
  sleep: 1,
  wake: 2,
  network: 8,
  transport: 32,
  http: 48,
  storage: 64
} as const

export class Kernel {
  readonly seed: string
  readonly trace: Trace
  readonly #queue = new EventQueue()
  readonly #ready = new ReadyQueue()
  readonly #scheduler: Scheduler.Scheduler
  readonly #log: KernelOptions["log"]
  readonly #logLevel: NonNullable<KernelOptions["logLevel"]>
  #now: Micros = 0
  #running = false

  constructor(options: KernelOptions) {
    this.seed = options.seed
    this.trace = new Trace(options.traceWindow)
    this.#log = options.log
    this.#logLevel = options.logLevel ?? "Info"
    this.#scheduler = {
      executionMode: "async",
      shouldYield: (fiber) => fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield,
      makeDispatcher: () => this.#ready
    }
  }

  get now(): Micros {
    return this.#now
  }

  /** One function for all hosts, which each may keep: reading the time touches no memory of a host. */
  readonly clock = (): Micros => this.#now

  /** True while `run` is on the stack. */
  get running(): boolean {
    return this.#running
  }

  get pendingEvents(): number {
    return this.#queue.pending
  }

  /** Calls `target` at `at`, an integer not before now. `host` and `kind` enter the trace. */
  schedule(
    at: Micros,
    target: EventTarget,
    kind: number,
    host: number,
    subject: unknown,
    detail = 0
  ): EventHandle {
    if (at < this.#now) throw this.#inThePast(at)
    return this.#queue.push(at, target, kind, host, subject, detail)
  }

  cancel(handle: EventHandle): boolean {
    return this.#queue.cancel(handle)
  }

  stream(name: string): RandomStream {
    return randomStream(this.seed, name)
  }

  /** The references that bind a fiber to this world: clock, randomness, scheduler and log of `host`. */
  context(host: number, name: string): Context.Context<never> {
    return Context.empty().pipe(
      Context.add(Scheduler.Scheduler, this.#scheduler),
      Context.add(Clock.Clock, new HostClock(this, host)),
      Context.add(Random.Random, this.stream(`host/${name}`).service),
      // Span ids would come from Math.random, and nothing in a simulation reads spans.
      Context.add(Tracer.DisablePropagation, true),
      Context.add(References.TracerEnabled, false),
      Context.add(References.MinimumLogLevel, this.#log === undefined ? "None" : this.#logLevel),
      Context.add(Logger.CurrentLoggers, new Set(this.#log === undefined ? [] : [this.#makeLogger(name)]))
    )
  }

  /**
   * Runs an effect on virtual time until it is done, and returns its exit. All other fibers run as far as that takes,
   * and continue in the next run.
   */
  runExit<A, E>(
    effect: Effect.Effect<A, E>,
    limits: RunLimits = {},
    context: Context.Context<never> = this.context(noHost, "world")
  ): Exit.Exit<A, E> {
    invariant(!this.#running, "kernel: run was called inside a run")
    this.#running = true
    try {
      return guarded(() => {
        const fiber = Effect.runForkWith(context)(effect)
        this.#stepUntil(() => fiber.pollUnsafe() !== undefined, limits)
        return fiber.pollUnsafe()!
      })
    } finally {
      this.#running = false
    }
  }

  #stepUntil(done: () => boolean, limits: RunLimits): void {
    const queue = this.#queue
    const deadline = this.#now + (limits.virtualTime ?? defaultVirtualTime)
    const lastEvent = this.trace.events + (limits.events ?? Number.POSITIVE_INFINITY)
    for (;;) {
      this.#drain(limits.turns ?? defaultTurns)
      if (done()) return
      if (!queue.pop()) {
        throw this.#stuck("nothing is left to happen, and the program still waits (deadlock)")
      }
      if (queue.time > deadline) throw this.#stuck(`the program took more virtual time than allowed`)
      if (this.trace.events >= lastEvent) throw this.#stuck(`the program took more events than allowed`)
      this.#now = queue.time
      this.trace.event(queue.time, queue.sequence, queue.kind, queue.host)
      queue.target!.fire(queue.kind, queue.subject, queue.detail)
    }
  }

  #drain(limit: number): void {
    let turns = 0
    for (let task = this.#ready.take(); task !== undefined; task = this.#ready.take()) {
      if (++turns > limit) throw this.#stuck("fibers run on without ever waiting (livelock)")
      task()
    }
  }

  #inThePast(at: Micros): InvariantViolation {
    return new InvariantViolation(`kernel: an event at ${at} is scheduled in the past of ${this.#now}`)
  }

  #stuck(reason: string): SimulationStuck {
    const { events } = this.trace
    return new SimulationStuck(
      `simulation: ${reason}; seed ${this.seed}, virtual time ${this.#now} us, ${events} events done, ` +
        `${this.#queue.pending} pending, hash ${this.trace.digest()}`
    )
  }

  #makeLogger(name: string): Logger.Logger<unknown, void> {
    // Fiber numbers count per process, so Effect's own formats would differ from run to run.
    return Logger.make(({ message, logLevel, cause }) => {
      const words = (Array.isArray(message) ? message : [message]).map((word) =>
        typeof word === "string" ? word : Formatter.format(word)
      )
      const why = cause.reasons.length === 0 ? "" : ` ${Cause.pretty(cause)}`
      const text = `${(this.#now / 1_000_000).toFixed(6)} ${name} ${logLevel} ${words.join(" ")}${why}`
      outside(() => this.#log?.(text))
    })
  }
}

/** The clock of a host's fibers. Its sleeps are events of that host. */
class HostClock implements Clock.Clock {
  readonly #kernel: Kernel
  readonly #host: number

  constructor(kernel: Kernel, host: number) {
    this.#kernel = kernel
    this.#host = host
  }

  get currentTimeMillis(): Effect.Effect<number> {
    return Effect.sync(() => this.currentTimeMillisUnsafe())
  }

  get currentTimeNanos(): Effect.Effect<bigint> {
    return Effect.sync(() => this.currentTimeNanosUnsafe())
  }

  get monotonicTimeNanos(): Effect.Effect<bigint> {
    return Effect.sync(() => this.monotonicTimeNanosUnsafe())
  }

  currentTimeMillisUnsafe(): number {
    return epochMillis + Math.floor(this.#kernel.now / 1000)
  }

  currentTimeNanosUnsafe(): bigint {
    return BigInt(epochMillis) * 1_000_000n + this.monotonicTimeNanosUnsafe()
  }

  monotonicTimeNanosUnsafe(): bigint {
    return BigInt(this.#kernel.now) * 1000n
  }

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    const length = Math.round(Duration.toMillis(duration) * 1000)
    if (length <= 0) return Effect.yieldNow
    if (!Number.isFinite(length)) return Effect.never
    return Effect.callback<void>((resume) => {
      const kernel = this.#kernel
      const handle = kernel.schedule(kernel.now + length, sleeper, eventKinds.sleep, this.#host, resume)
      return Effect.sync(() => {
        kernel.cancel(handle)
      })
    })
  }
}

const sleeper: EventTarget = {
  fire: (_kind, subject) => (subject as (effect: Effect.Effect<void>) => void)(Effect.void)
}
