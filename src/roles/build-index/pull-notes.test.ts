// The recorded pulls of a build-index: the last one of each existing manifest, at most once per period.

import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { digest, record } from "../../../testing/roles/index-records.ts"
import { makeMemoryTables } from "../../../testing/roles/memory-table-store.ts"
import { serviceLimits } from "../services/limits.ts"
import { makeBuildIndexChanges } from "./build-index-changes.ts"
import { makeIndexTables } from "./build-index-tables.ts"
import { buildIndexLimits } from "./limits.ts"

const repository = "demo/app"

it.effect("a pull is recorded when the last record is pullNotePause old, if the manifest is there", () =>
  Effect.gen(function* () {
    const rows = makeMemoryTables()
    const limits = { ...buildIndexLimits, pullNotePause: 60_000_000 }
    const changes = makeBuildIndexChanges(makeIndexTables(rows, serviceLimits), rows, 1000, limits)
    yield* changes.notePull(repository, digest("a"))
    assert.deepStrictEqual(rows.rows("pulled"), [], "nothing is there to be pulled")
    yield* changes.putManifest(repository, { by: "me", operation: "1", record: record("a"), tags: [] })
    const noted = []
    for (const second of [0, 30, 59, 60, 119, 120]) {
      yield* TestClock.setTime(1_000_000 + 1000 * second)
      yield* changes.notePull(repository, digest("a"))
      const [row] = yield* rows.scan("pulled", { prefix: "", limit: 10 })
      noted.push((Number(row?.value) - 1_000_000) / 1000)
    }
    assert.deepStrictEqual(noted, [0, 0, 0, 60, 60, 120])
  })
)
