// The kernel as fibers see it: virtual time, turns, randomness and logging; and runs that cannot end.

import {
  Cause,
  Clock,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Queue,
  Random,
  Schedule,
  Stream
} from "effect"
import { describe, expect, it } from "vitest"
import { epochMillis, eventKinds, Kernel, SimulationStuck } from "./kernel.ts"

const run = <A, E>(effect: Effect.Effect<A, E>, seed = "kernel"): A => {
  const exit = new Kernel({ seed }).runExit(effect)
  if (Exit.isFailure(exit)) throw new Error(String(exit.cause))
  return exit.value
}

describe("time", () => {
  it("passes during sleeps and not during computation", () => {
    const kernel = new Kernel({ seed: "time" })
    const program = Effect.gen(function* () {
      let sum = 0
      for (let index = 0; index < 100_000; index++) sum += yield* Effect.succeed(index)
      const before = yield* Clock.currentTimeMillis
      yield* Effect.sleep("1500 millis")
      return { sum, before, after: yield* Clock.currentTimeMillis, nanos: yield* Clock.monotonicTimeNanos }
    })
    expect(kernel.runExit(program)).toEqual(
      Exit.succeed({
        sum: 4_999_950_000,
        before: epochMillis,
        after: epochMillis + 1500,
        nanos: 1_500_000_000n
      })
    )
    expect(kernel.now).toBe(1_500_000)
  })

  it("wakes sleepers by time, and those of one instant in the order in which they went to sleep", () => {
    const woken: string[] = []
    const sleeper = (name: string, millis: number) =>
      Effect.andThen(
        Effect.sleep(Duration.millis(millis)),
        Effect.sync(() => woken.push(name))
      )
    run(
      Effect.all([sleeper("late", 30), sleeper("a", 10), sleeper("b", 10), sleeper("early", 5)], {
        concurrency: "unbounded"
      })
    )
    expect(woken).toEqual(["early", "a", "b", "late"])
  })

  it("refuses an event in the past", () => {
    const kernel = new Kernel({ seed: "past" })
    kernel.runExit(Effect.sleep("1 second"))
    const target = { fire: () => {} }
    expect(() => kernel.schedule(999_999, target, eventKinds.wake, 0, undefined)).toThrow(/in the past/)
  })
})

describe("fibers", () => {
  it("yield after a number of operations, so that a busy fiber does not starve the others", () => {
    const order: string[] = []
    const busy = Effect.gen(function* () {
      for (let index = 0; index < 20_000; index++) yield* Effect.sync(() => index)
      order.push("busy")
    })
    const short = Effect.andThen(
      Effect.yieldNow,
      Effect.sync(() => order.push("short"))
    )
    run(Effect.all([busy, short], { concurrency: "unbounded" }))
    expect(order).toEqual(["short", "busy"])
  })

  it("time out, race, retry and interrupt on virtual time", () => {
    const kernel = new Kernel({ seed: "operators" })
    const program = Effect.gen(function* () {
      const timedOut = yield* Effect.timeoutOption(Effect.sleep("1 hour"), "2 seconds")
      const atTimeout = kernel.now
      const winner = yield* Effect.race(
        Effect.as(Effect.sleep("3 seconds"), "slow"),
        Effect.as(Effect.sleep("1 second"), "fast")
      )
      let attempts = 0
      yield* Effect.ignore(
        Effect.retry(
          Effect.suspend(() => {
            attempts++
            return Effect.fail("no")
          }),
          { schedule: Schedule.exponential("100 millis"), times: 4 }
        )
      )
      const afterRetries = kernel.now
      let released = false
      const fiber = yield* Effect.forkChild(
        Effect.ensuring(
          Effect.never,
          Effect.sync(() => {
            released = true
          })
        )
      )
      yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      return { timedOut: timedOut._tag, atTimeout, winner, attempts, afterRetries, released }
    })
    expect(kernel.runExit(program)).toEqual(
      Exit.succeed({
        timedOut: "None",
        atTimeout: 2_000_000,
        winner: "fast",
        attempts: 5,
        afterRetries: 3_000_000 + 1_500_000,
        released: true
      })
    )
  })

  it("leave no timer behind when they are interrupted", () => {
    const kernel = new Kernel({ seed: "cancel" })
    kernel.runExit(Effect.timeoutOption(Effect.sleep("1 hour"), "1 second"))
    expect(kernel.pendingEvents).toBe(0)
  })

  it("communicate through queues and streams", () => {
    const program = Effect.gen(function* () {
      const queue = yield* Queue.unbounded<number>()
      yield* Effect.forkChild(
        Effect.forEach([1, 2, 3], (value) =>
          Effect.andThen(Effect.sleep("1 second"), Queue.offer(queue, value))
        )
      )
      return yield* Stream.fromQueue(queue).pipe(Stream.take(3), Stream.runCollect)
    })
    expect(run(program)).toEqual([1, 2, 3])
  })
})

describe("chance", () => {
  const draws = Effect.all([Random.next, Random.nextInt, Random.nextIntBetween(0, 1_000_000)])

  it("depends on the seed alone", () => {
    expect(run(draws, "one")).toEqual(run(draws, "one"))
    expect(run(draws, "one")).not.toEqual(run(draws, "two"))
  })

  it("has streams that do not disturb each other", () => {
    const kernel = new Kernel({ seed: "streams" })
    const alone = kernel.stream("a")
    const expected = [alone.nextInt(1000), alone.nextInt(1000)]
    const again = kernel.stream("a")
    const other = kernel.stream("b")
    const first = again.nextInt(1000)
    other.nextInt(1000)
    expect([first, again.nextInt(1000)]).toEqual(expected)
  })
})

describe("a run that cannot end fails", () => {
  const reason = (body: () => unknown): string => {
    try {
      body()
    } catch (error) {
      if (error instanceof SimulationStuck) return error.message
      throw error
    }
    return "it ended"
  }

  it("when no event is left", () => {
    const waits = Effect.flatMap(Deferred.make<void>(), Deferred.await)
    const kernel = new Kernel({ seed: "dead" })
    const message = reason(() => kernel.runExit(Effect.andThen(Effect.sleep("1 second"), waits)))
    expect(message).toMatch(/deadlock.*seed dead, virtual time 1000000 us/)
  })

  it("when it takes more virtual time or more events than allowed", () => {
    const forever = Effect.forever(Effect.sleep("1 second"))
    const slow = new Kernel({ seed: "slow" })
    expect(reason(() => slow.runExit(forever, { virtualTime: 60_000_000 }))).toMatch(/more virtual time/)
    expect(slow.now).toBe(60_000_000)
    expect(reason(() => new Kernel({ seed: "many" }).runExit(forever, { events: 10 }))).toMatch(/more events/)
  })

  it("when fibers never leave one instant", () => {
    const spin = Effect.forever(Effect.yieldNow)
    const kernel = new Kernel({ seed: "spin" })
    expect(reason(() => kernel.runExit(spin, { turns: 10_000 }))).toMatch(/livelock/)
  })

  it("when a fiber starts a run inside a run", () => {
    const kernel = new Kernel({ seed: "nested" })
    expect(() => kernel.runExit(Effect.sync(() => kernel.runExit(Effect.void)))).not.toThrow()
    expect(kernel.runExit(Effect.sync(() => kernel.runExit(Effect.void)))).toMatchObject({ _tag: "Failure" })
  })
})

describe("logging", () => {
  const program = Effect.andThen(Effect.sleep("1 second"), Effect.logInfo("hello", { answer: 42 }))

  it("reaches the sink with virtual time and changes no hash", () => {
    const lines: string[] = []
    const loud = new Kernel({ seed: "log", log: (line) => lines.push(line) })
    const quiet = new Kernel({ seed: "log" })
    loud.runExit(program)
    quiet.runExit(program)
    expect(lines).toEqual(['1.000000 world Info hello {"answer":42}'])
    expect(loud.trace.digest()).toBe(quiet.trace.digest())
  })

  it("tells the cause of what failed", () => {
    const lines: string[] = []
    const kernel = new Kernel({ seed: "log", log: (line) => lines.push(line) })
    kernel.runExit(Effect.logWarning("lost", Cause.fail(new Error("out of paper"))))
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^0\.000000 world Warn lost .*out of paper/s)
  })
})
