// Power cuts of a herd on a real file system, with SQLite's own syncs, at moments that a seed draws, round after
// round on the same data. Content acknowledged in any round is there and whole. SHOAL_CUT_ROUNDS (20) sets the number
// of rounds, SHOAL_CUT_SEED the seed.

import { join } from "node:path"
import { Effect, Exit, Layer } from "effect"
import { HttpClient } from "effect/http"
import seedrandom from "seedrandom"
import { expect, test } from "vitest"
import { nodeHttpClient } from "../../src/runtime-net/http/http-client.ts"
import {
  type AskedRegistry,
  emptyRecord,
  expectRecorded,
  expectResumable,
  expectTidy,
  registryLife
} from "../../testing/runtime-net/registry-life.ts"
import { makeCutOffDisk } from "../support/cut-off-disk.ts"
import { freePortBase } from "../support/free-ports.ts"
import { startHerd } from "../support/herd-process.ts"

const rounds = Number(process.env.SHOAL_CUT_ROUNDS ?? 20)
const seed = process.env.SHOAL_CUT_SEED ?? "1"
/** About the number of requests in one life. */
const requests = 22

test(`${rounds} power cuts (seed ${seed})`, async (context) => {
  const disk = makeCutOffDisk()
  if (typeof disk === "string") {
    process.stderr.write(`not run: a power cut on a real file system, because ${disk}\n`)
    return context.skip(disk)
  }
  const draw = seedrandom.alea(seed)
  const record = emptyRecord()
  const base = await freePortBase(1)
  const herd = await startHerd(join(disk.path, "herd"), base)
  /** Asks the herd over connections of its own. `before` is called before each request. */
  const asking = <A>(doing: (registry: AskedRegistry) => Effect.Effect<A, unknown>, before = () => {}) =>
    Effect.gen(function* () {
      const client = HttpClient.transform(yield* HttpClient.HttpClient, (answer) => {
        before()
        return answer
      })
      return yield* doing({
        client,
        proxy: `http://${herd.registry}`,
        origin: `http://127.0.0.1:${base + 2}`
      })
    }).pipe(Effect.provide(Layer.fresh(nodeHttpClient)), Effect.exit, Effect.runPromise)
  let acknowledged = 0
  try {
    for (let round = 0; round < rounds; round++) {
      const cut = await disk.cutter()
      let asked = 0
      let resolveDark!: (cut: Promise<void>) => void
      const last = 1 + Math.floor(draw() * requests)
      const dark = new Promise<void>((resolve) => {
        resolveDark = resolve
      })
      const isDark = Effect.andThen(
        Effect.promise(() => dark),
        Effect.fail("dark")
      )
      await asking(
        (registry) => Effect.raceFirst(registryLife(registry, record, round), isDark),
        () => {
          if (++asked !== last) return
          // The call that cuts the power may let a running sync succeed without its journal, so this answer does not
          // count.
          record.ignoresAnswers = true
          resolveDark(cut())
        }
      )
      // The life ended earlier.
      if (asked < last) resolveDark(cut())
      await dark
      await herd.kill()
      disk.mountAgain()
      await herd.start()
      record.ignoresAnswers = false
      acknowledged = [...record.contents.values()].filter((allowed) => allowed.size === 1).length
      expectTidy(
        new Map([...herd.files()].map(([path, length]) => [`herd/${path}`, length])),
        record,
        round + 1
      )
      const after = await asking((registry) =>
        Effect.andThen(expectRecorded(registry, record), expectResumable(registry, record))
      )
      expect(after, `round ${round}, cut at request ${last}`).toEqual(Exit.void)
    }
  } finally {
    await herd.kill()
    disk.remove()
  }
  process.stderr.write(`${rounds} power cuts, ${acknowledged} acknowledged contents read after each\n`)
  expect(acknowledged).toBeGreaterThan(rounds)
})
