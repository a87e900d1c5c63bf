// The simulated stores keep the contracts of roles/services: they pass the same cases as the stores of the real
// world.

import { Effect, Exit, Stream } from "effect"
import { describe, expect, it } from "vitest"
import { arrivalConformance } from "../../../testing/conformance/arrivals.conformance.ts"
import { blobStoreConformance } from "../../../testing/conformance/blob-store.conformance.ts"
import type { ConformanceCase, StoragePlace } from "../../../testing/conformance/conformance.ts"
import { pieceProofConformance } from "../../../testing/conformance/piece-proofs.conformance.ts"
import { pieceStoreConformance } from "../../../testing/conformance/piece-store.conformance.ts"
import { storeUsageConformance } from "../../../testing/conformance/store-usage.conformance.ts"
import { tableStoreConformance } from "../../../testing/conformance/table-store.conformance.ts"
import type { Payload } from "../../protocol/wire/payload.ts"
import { makeHostStorage } from "../host/host.ts"
import type { SimProcess } from "../network/sim-process.ts"
import { makeSimulation } from "../simulation.ts"
import { simDigests } from "./sim-digests.ts"
import { StorageSession } from "./storage-session.ts"

const makePlace = (simulation: ReturnType<typeof makeSimulation>): StoragePlace => {
  const { disk, host } = simulation.machine("host")
  let process: SimProcess | undefined
  return {
    start: Effect.sync(() => {
      process = {
        name: "host",
        host,
        kernel: simulation.kernel,
        connections: simulation.connections,
        alive: true
      }
      return makeHostStorage(
        new StorageSession(process, disk, {
          corruptPieces: false,
          corruptProofs: false,
          diskRoom: undefined
        })
      )
    }),
    kill: Effect.sync(() => {
      process!.alive = false
      disk.crash()
    }),
    digests: simDigests,
    bytesOf: (payload: Payload) => payload as Uint8Array
  }
}

const runCases = (cases: ReadonlyArray<ConformanceCase>) => {
  expect(cases.length).toBeGreaterThan(0)
  for (const { name, run } of cases) {
    it(name, () => {
      const simulation = makeSimulation({ seed: name })
      expect(simulation.runExit(Effect.scoped(run(makePlace(simulation))))).toEqual(Exit.void)
    })
  }
}

it("a kill gives back the room of what an upload had not kept yet", () => {
  const simulation = makeSimulation({ seed: "room", capacity: 3000 })
  const place = makePlace(simulation)
  const bytes = (length: number) => Stream.make(new Uint8Array(length))
  const open = Effect.flatMap(place.start, (storage) => storage.blobs("folder"))
  const run = Effect.gen(function* () {
    const before = yield* open
    const upload = yield* before.createUpload
    yield* before.appendUpload(upload, 0, bytes(1000))
    const cut = Stream.concat(
      bytes(1500),
      Stream.fromEffect(Effect.andThen(place.kill, Effect.fail("killed")))
    )
    yield* Effect.exit(before.appendUpload(upload, 1000, cut))
    const after = yield* open
    expect(yield* after.uploadSize(upload)).toBe(1000)
    expect(yield* Effect.flip(after.appendUpload(upload, 1000, bytes(2001)))).toMatchObject({
      reason: "full"
    })
    expect(yield* after.appendUpload(upload, 1000, bytes(2000))).toBe(3000)
  })
  expect(simulation.runExit(Effect.scoped(run))).toEqual(Exit.void)
})

describe("blob store", () => runCases(blobStoreConformance))
describe("piece store", () => runCases(pieceStoreConformance))
describe("proofs of pieces", () => runCases(pieceProofConformance))
describe("arrivals", () => runCases(arrivalConformance))
describe("store usage", () => runCases(storeUsageConformance))
describe("table store", () => runCases(tableStoreConformance))
