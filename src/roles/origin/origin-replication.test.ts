// The queue of copies around a commit: copies are intended before it, and withdrawn when it fails, unless the blob is
// here all the same.

import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { makeMemoryBlobs } from "../../../testing/roles/memory-blob-store.ts"
import { makeMemoryTables } from "../../../testing/roles/memory-table-store.ts"
import { makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { someBytes } from "../../../testing/roles/push.ts"
import { settle } from "../../../testing/roles/settle.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { makeUpstreams } from "../client/upstreams.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { makeOriginReplication } from "./origin-replication.ts"

const self = "http://self:1"

/** The replication of an origin whose two other owners are away. */
const staged = Effect.gen(function* () {
  const world = makeMemoryWorld()
  const blobs = makeMemoryBlobs(world.digests)
  const tables = makeMemoryTables()
  const replication = yield* makeOriginReplication({
    ...{ blobs, tables, self },
    members: [self, "http://one:1", "http://two:1"],
    upstreams: yield* Effect.provideContext(makeUpstreams, world.services),
    repair: { completed: () => Effect.die("no metainfo is made") },
    metrics: makeRoleMetrics("origin")
  })
  const digestOf = (seed: number) => world.digests.digest("sha256", someBytes(seed, 10))
  const failing = (digest: Digest) => Effect.exit(replication.aroundCommit(digest, Effect.fail("broken")))
  return { blobs, replication, digestOf, failing, waiting: () => tables.rows("replication").length }
})

it.effect("copies of a failed commit are withdrawn when the last commit of the blob has ended", () =>
  Effect.gen(function* () {
    const { replication, digestOf, failing, waiting } = yield* staged
    yield* failing(digestOf(1))
    assert.strictEqual(waiting(), 0)
    const go = yield* Deferred.make<void>()
    const commit = replication.aroundCommit(digestOf(1), Deferred.await(go))
    const other = yield* Effect.forkChild(Effect.exit(commit))
    yield* settle
    yield* failing(digestOf(1))
    yield* failing(digestOf(2))
    assert.strictEqual(waiting(), 2, "the copies of the running commit")
    yield* Fiber.interrupt(other)
    assert.strictEqual(waiting(), 0)
  }).pipe(Effect.scoped)
)

it.effect("copies of a blob that is here stay queued although a commit of it fails", () =>
  Effect.gen(function* () {
    const { blobs, digestOf, failing, waiting } = yield* staged
    blobs.blobs.set(digestOf(1), someBytes(1, 10))
    yield* failing(digestOf(1))
    assert.strictEqual(waiting(), 2)
  }).pipe(Effect.scoped)
)
