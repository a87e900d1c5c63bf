// Tests of the record of a rival's flash crowd, and of its tables.

import { expect, test } from "vitest"
import { CrowdTally } from "./crowd-tally.ts"
import { type Cast, imageOf } from "./image.ts"

const image = imageOf([
  { name: "one", length: 25, pieceLength: 10 },
  { name: "two", length: 20, pieceLength: 20 }
])
const cast: Cast = { agents: 2, origins: 1, helpers: 0, owners: [[2], [2]] }

test("pieces are numbered through all blobs", () => {
  expect([...image.first]).toEqual([0, 3, 4])
  expect([...image.sizes]).toEqual([10, 10, 5, 20])
  expect([...image.blobOf]).toEqual([0, 0, 0, 1])
})

test("an agent is done with its last blob, the flash crowd with its last agent", () => {
  const tally = new CrowdTally(image, cast, 1)
  tally.sent(2, 3)
  tally.received(2, 3)
  tally.received(0, 0)
  expect(tally.stored(0, 3, 5)).toBe(true)
  expect([tally.stored(0, 0, 6), tally.stored(0, 2, 7), tally.stored(0, 1, 8)]).toEqual([false, false, true])
  expect(tally.allOutside).toEqual({ at: 8, sentByOrigins: 20 })
  expect([tally.completed(0, 1, 9), tally.completed(0, 0, 10)]).toEqual([false, false])
  expect([tally.completed(1, 0, 11), tally.completed(1, 1, 12)]).toEqual([false, true])
  expect(tally.completions).toEqual([10, 12])
  expect(tally.blobCompletions).toEqual([
    [10, 11],
    [9, 12]
  ])
  expect([tally.bytesFromOrigins, tally.bytesFromAgents, tally.storedBytes]).toEqual([20, 10, 45])
})

test("storing a piece twice is a defect", () => {
  const tally = new CrowdTally(image, cast, 1)
  tally.stored(1, 2, 0)
  expect(() => tally.stored(1, 2, 1)).toThrow(/twice/)
})

test("samples stay evenly spaced however long it takes", () => {
  const tally = new CrowdTally(image, cast, 1)
  let at = 0
  for (let look = 0; look < 5_000; look++) {
    tally.sample(at)
    at += tally.sampleEvery
  }
  const steps = tally.samples.slice(1).map((sample, index) => sample.at - tally.samples[index]!.at)
  expect(tally.samples.length).toBeLessThanOrEqual(401)
  expect(new Set(steps).size).toBe(1)
  expect(tally.samples[0]?.at).toBe(0)
})
