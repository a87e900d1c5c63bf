// The stores of this machine keep the contracts of roles/services, on a real folder, killed by a fenced disk.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { describe } from "vitest"
import { arrivalConformance } from "../../../testing/conformance/arrivals.conformance.ts"
import { blobStoreConformance } from "../../../testing/conformance/blob-store.conformance.ts"
import type { ConformanceCase, StoragePlace } from "../../../testing/conformance/conformance.ts"
import { pieceProofConformance } from "../../../testing/conformance/piece-proofs.conformance.ts"
import { pieceStoreConformance } from "../../../testing/conformance/piece-store.conformance.ts"
import { storeUsageConformance } from "../../../testing/conformance/store-usage.conformance.ts"
import { tableStoreConformance } from "../../../testing/conformance/table-store.conformance.ts"
import { Digests } from "../../roles/services/digests.ts"
import { HostStorage } from "../../roles/services/host-storage.ts"
import { nodeDigests } from "../platform/node-digests.ts"
import { hostStorage } from "../process/host-storage.ts"
import { type FencedDisk, fenceDisk, nodeDisk } from "./disk.ts"

const makePlace = Effect.gen(function* () {
  const root = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "shoal-stores-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
  let running: FencedDisk | undefined
  let killed: string | undefined
  const digests = Context.get(yield* Layer.build(nodeDigests), Digests)
  const place: StoragePlace = {
    start: Effect.suspend(() => {
      running = fenceDisk(nodeDisk)
      killed = undefined
      return Effect.map(
        Effect.scoped(Layer.build(hostStorage({ root, disk: running.disk, tablesClosed: () => killed }))),
        (services) => Context.get(services, HostStorage)
      )
    }),
    kill: Effect.sync(() => {
      running?.fence()
      killed = "the host was killed"
    }),
    digests,
    bytesOf: (payload) => payload as Uint8Array
  }
  return place
})

const suites: Record<string, ReadonlyArray<ConformanceCase>> = {
  "file blob store": blobStoreConformance,
  "file piece store": pieceStoreConformance,
  "file piece store's proofs": pieceProofConformance,
  "file store's arrivals": arrivalConformance,
  "file store's usage": storeUsageConformance,
  "SQLite table store": tableStoreConformance
}

for (const [name, cases] of Object.entries(suites)) {
  describe(name, () => {
    for (const { name: caseName, run } of cases) {
      it.live(caseName, () => Effect.flatMap(makePlace, run).pipe(Effect.scoped))
    }
  })
}
