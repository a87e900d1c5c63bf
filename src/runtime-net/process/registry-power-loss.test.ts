// The whole registry - proxy, origin, tracker and build-index over the file stores - while the power goes at changes to
// disks and tables. SHOAL_POWER_STEP says how many changes apart (21; 1 is every one), SHOAL_POWER_LOSSES how often the
// power goes before everything is looked at (1).

import { hash } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { it } from "@effect/vitest"
import { Effect, Exit, Logger, Scope } from "effect"
import { describe, expect } from "vitest"
import { herdSettings, proxyUrl } from "../../../testing/roles/herd.ts"
import { makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { makePowerLossHost, type PowerLossHost } from "../../../testing/runtime-net/power-loss-host.ts"
import {
  type AskedRegistry,
  emptyRecord,
  expectRecorded,
  expectResumable,
  expectTidy,
  registryLife
} from "../../../testing/runtime-net/registry-life.ts"
import { coinFlips } from "../../../testing/runtime-net/torn-content.ts"
import { makeDigest } from "../../protocol/wire/digest.ts"
import { herdConfig } from "../../roles/herd/config.ts"
import { herd } from "../../roles/herd/herd.ts"

const originUrl = `http://herd:${herdSettings.origin.port}`

/** One life of the herd: what is done in it, until it ends or the power goes. */
const live = <A>(
  host: PowerLossHost,
  changesUntilLoss: number,
  keeps: () => boolean,
  doing: (registry: AskedRegistry) => Effect.Effect<A, unknown>
) =>
  Effect.gen(function* () {
    const world = makeMemoryWorld((algorithm, bytes) =>
      makeDigest(algorithm, hash(algorithm, bytes, "buffer"))
    )
    const scope = yield* Scope.make()
    const { storage, dark } = host.live(changesUntilLoss)
    const program = herd(herdConfig(herdSettings)).pipe(Effect.provide(storage), Scope.provide(scope))
    const whole = Effect.andThen(
      world.start(program),
      doing({ client: world.client, proxy: proxyUrl, origin: originUrl })
    )
    const ended = yield* Effect.exit(Effect.raceFirst(whole, Effect.andThen(dark, Effect.fail("dark"))))
    yield* host.loseThePower(Scope.close(scope, Exit.void), keeps)
    return ended
  })

const newHost = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "shoal-power-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  ),
  makePowerLossHost
)

const forever = Number.POSITIVE_INFINITY
const step = Number(process.env.SHOAL_POWER_STEP ?? 21)
const losses = Number(process.env.SHOAL_POWER_LOSSES ?? 1)

const luck: ReadonlyArray<readonly [string, (seed: number) => () => boolean]> = [
  ["everything that was not synced is lost", () => () => false],
  ["everything had reached the disk", () => () => true],
  ["some of it had", coinFlips]
]

describe("the power goes while a registry is used", () => {
  luck.forEach(([name, draw], index) => {
    it.live(
      `and what was acknowledged is there: ${name}`,
      () =>
        Effect.gen(function* () {
          const counting = yield* newHost
          const whole = yield* live(
            counting,
            forever,
            () => false,
            (registry) => registryLife(registry, emptyRecord())
          )
          expect(whole).toEqual(Exit.void)
          const changes = counting.changes()
          expect(changes).toBeGreaterThan(150)
          // Each kind of luck meets other changes.
          const offset = Math.floor((index * step) / luck.length)
          for (let last = offset; last <= changes; last += step) {
            const host = yield* newHost
            const record = emptyRecord()
            for (let loss = 0; loss < losses; loss++) {
              // Later losses come at any moment from the start on.
              const until = loss === 0 ? last : (last * (loss * 37 + 11)) % changes
              yield* live(host, until, draw(last + loss), (registry) =>
                Effect.andThen(expectRecorded(registry, record), registryLife(registry, record))
              )
            }
            const after = yield* live(host, forever, draw(last), (registry) =>
              Effect.gen(function* () {
                expectTidy(yield* host.files, record, losses)
                yield* expectRecorded(registry, record)
                yield* expectResumable(registry, record)
                yield* registryLife(registry, record)
                yield* expectRecorded(registry, record)
                expectTidy(yield* host.files, record, losses)
              })
            )
            expect(after, `the power went at change ${last} of ${changes}`).toEqual(Exit.void)
          }
        }).pipe(Effect.scoped, Effect.provide(Logger.layer([]))),
      1_800_000
    )
  })
})
