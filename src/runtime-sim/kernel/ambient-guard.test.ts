// The ambient guard: every source that a simulation must not use throws inside a run, and works again outside it.

import { Effect, Exit } from "effect"
import { expect, it } from "vitest"
import { AmbientAccess, guarded, outside } from "./ambient-guard.ts"
import { Kernel } from "./kernel.ts"

const ambient: ReadonlyArray<readonly [name: string, use: () => unknown]> = [
  ["Date.now", () => Date.now()],
  ["new Date", () => new Date()],
  ["Date", () => (Date as unknown as () => string)()],
  ["Math.random", () => Math.random()],
  ["setTimeout", () => setTimeout(() => {}, 0)],
  ["setInterval", () => setInterval(() => {}, 1000)],
  ["setImmediate", () => setImmediate(() => {})],
  ["queueMicrotask", () => queueMicrotask(() => {})],
  ["process.nextTick", () => process.nextTick(() => {})],
  ["process.hrtime", () => process.hrtime()],
  ["performance.now", () => performance.now()],
  ["crypto.randomUUID", () => crypto.randomUUID()],
  ["crypto.getRandomValues", () => crypto.getRandomValues(new Uint8Array(1))],
  ["a promise", () => Promise.resolve(1).then(() => {})]
]

it.each(ambient)("%s throws during a simulation and works afterwards", (_name, use) => {
  const exit = new Kernel({ seed: "guard" }).runExit(
    Effect.try({ try: use, catch: (error) => error as Error })
  )
  expect(Exit.isFailure(exit) && exit.cause.reasons[0]).toMatchObject({ error: expect.any(AmbientAccess) })
  expect(use).not.toThrow()
})

it("refuses Effect.promise, which would leave virtual time", () => {
  const exit = new Kernel({ seed: "guard" }).runExit(Effect.promise(() => Promise.resolve(1)))
  expect(exit).toMatchObject({ cause: { reasons: [{ _tag: "Die" }] } })
})

it("allows dates made from a given time", () => {
  const text = guarded(() => {
    const date = new Date(0)
    expect(date).toBeInstanceOf(Date)
    return date.toISOString()
  })
  expect(text).toBe("1970-01-01T00:00:00.000Z")
})

it("lets code run outside the simulation, and guards again afterwards", () => {
  guarded(() => {
    expect(outside(() => Date.now())).toBeGreaterThan(0)
    expect(() => Date.now()).toThrow(AmbientAccess)
  })
})

it("is removed when a run fails", () => {
  expect(() =>
    guarded(() => {
      throw new Error("broken")
    })
  ).toThrow("broken")
  expect(Date.now()).toBeGreaterThan(0)
})

it("gives everything back as it was", () => {
  const owners = [globalThis, Math, process, Promise.prototype]
  const before = owners.map((owner) => Object.getOwnPropertyDescriptors(owner))
  const during = guarded(() => owners.map((owner) => Object.keys(owner)))
  expect(during).toEqual(owners.map((owner) => Object.keys(owner)))
  owners.forEach((owner, index) => {
    for (const [key, descriptor] of Object.entries(before[index]!)) {
      expect(Object.getOwnPropertyDescriptor(owner, key), key).toEqual(descriptor)
    }
  })
})

it("may be nested, and guards until the outermost run ends", () => {
  guarded(() => {
    guarded(() => {})
    expect(() => Date.now()).toThrow(AmbientAccess)
  })
  expect(Date.now()).toBeGreaterThan(0)
  expect(outside(() => Date.now())).toBeGreaterThan(0)
})
