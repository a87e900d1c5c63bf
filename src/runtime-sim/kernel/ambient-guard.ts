// The ambient guard of a simulation. During a run, the ambient clock, randomness, timers and promises throw, so that
// a forgotten Date.now or Effect.promise fails at its first use and does not become a wrong hash. The originals are
// restored when the run ends, for whatever reason.
//
// Two uses stay allowed: dates made from a given number, and everything inside `outside` (a host prints a log line).

/** Code asked the real world for the time, randomness or a later turn during a simulation. */
export class AmbientAccess extends Error {
  override readonly name = "AmbientAccess"
}

const refuse = (name: string): never => {
  throw new AmbientAccess(
    `${name} was used while a simulation runs; use Clock, Random, Timers or Effect's own operators instead`
  )
}

interface Patch {
  readonly owner: object
  readonly key: string
  readonly descriptor: PropertyDescriptor
}

let patches: readonly Patch[] = []

const replaced = (owner: object, key: string, value: unknown): Patch | undefined => {
  const descriptor = Object.getOwnPropertyDescriptor(owner, key)
  if (descriptor === undefined) return undefined
  const enumerable = descriptor.enumerable === true
  Object.defineProperty(owner, key, { value, configurable: true, writable: true, enumerable })
  return { owner, key, descriptor }
}

const guardedDate = (real: DateConstructor): DateConstructor =>
  new Proxy(real, {
    apply: () => refuse("Date()"),
    construct: (target, given, newTarget) =>
      given.length === 0 ? refuse("new Date()") : Reflect.construct(target, given, newTarget),
    get: (target, key) => (key === "now" ? () => refuse("Date.now") : Reflect.get(target, key))
  })

const install = (): void => {
  const forbid = (owner: object, prefix: string, keys: readonly string[]) =>
    keys.map((key) => replaced(owner, key, () => refuse(prefix + key)))
  patches = [
    replaced(globalThis, "Date", guardedDate(Date)),
    ...forbid(Math, "Math.", ["random"]),
    ...forbid(globalThis, "", ["setTimeout", "setInterval", "setImmediate", "queueMicrotask", "fetch"]),
    ...forbid(process, "process.", ["nextTick", "hrtime"]),
    ...forbid(Object.getPrototypeOf(performance) as object, "performance.", ["now"]),
    ...forbid(Object.getPrototypeOf(crypto) as object, "crypto.", ["getRandomValues", "randomUUID"]),
    ...forbid(Promise.prototype, "Promise.prototype.", ["then"])
  ].filter((patch) => patch !== undefined)
}

const restore = (): void => {
  for (const patch of patches) Object.defineProperty(patch.owner, patch.key, patch.descriptor)
  patches = []
}

/** Runs `body` while the ambient sources throw. Calls may nest. */
export const guarded = <A>(body: () => A): A => {
  if (patches.length > 0) return body()
  install()
  try {
    return body()
  } finally {
    restore()
  }
}

/** Runs `body` with the real ambient sources, also inside `guarded`: for calls that leave the simulation. */
export const outside = <A>(body: () => A): A => {
  if (patches.length === 0) return body()
  restore()
  try {
    return body()
  } finally {
    install()
  }
}
