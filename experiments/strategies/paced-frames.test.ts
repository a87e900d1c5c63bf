// Tests of the token bucket of a connection: a burst, then the rate, in order.

import { Effect } from "effect"
import { expect, test } from "vitest"
import { TokenBucket } from "../../src/protocol/kit/token-bucket.ts"
import { Kernel } from "../../src/runtime-sim/kernel/kernel.ts"
import { type FrameBody, PacedFrames } from "./paced-frames.ts"

const passed = (
  frames: (connection: (body: number, tokens: number) => void) => void
): Array<[number, number]> => {
  const kernel = new Kernel({ seed: "1" })
  const bucket = new TokenBucket({ bytesPerSecond: 1_000, burstBytes: 2_000 }, 0)
  const seen: Array<[number, number]> = []
  const paced = new PacedFrames(kernel, bucket, 100, 1, (body) => seen.push([body as number, kernel.now]))
  frames((body, tokens) => paced.add(body, tokens + 48, tokens))
  kernel.runExit(Effect.sleep("10 seconds"))
  return seen
}

test("frames within the burst go at once, the others at the rate", () => {
  const seen = passed((add) => {
    for (let frame = 0; frame < 5; frame++) add(frame, 1_000)
  })
  expect(seen).toEqual([
    [0, 0],
    [1, 0],
    [2, 1_000_000],
    [3, 2_000_000],
    [4, 3_000_000]
  ])
})

test("a frame without tokens waits only for those before it", () => {
  const seen = passed((add) => {
    add(1, 0)
    add(2, 3_000)
    add(3, 0)
    add(4, 1_000)
    add(5, 0)
  })
  expect(seen).toEqual([
    [1, 0],
    [2, 1_000_000],
    [3, 1_000_000],
    [4, 2_000_000],
    [5, 2_000_000]
  ])
})

test("a frame without tokens does not wait for another connection", () => {
  const kernel = new Kernel({ seed: "1" })
  const bucket = new TokenBucket({ bytesPerSecond: 1_000, burstBytes: 1_000 }, 0)
  const seen: Array<FrameBody> = []
  const [one, other] = [1, 2].map(() => new PacedFrames(kernel, bucket, 100, 1, (body) => seen.push(body)))
  one!.add(1, 5_048, 5_000)
  other!.add(2, 20, 0)
  expect(seen).toEqual([2])
})

test("a frame with tokens begins when it is the first, before it has them", () => {
  const kernel = new Kernel({ seed: "1" })
  const bucket = new TokenBucket({ bytesPerSecond: 1_000, burstBytes: 1_000 }, 0)
  const seen: Array<[string, FrameBody, number]> = []
  const note = (what: string) => (body: FrameBody) => seen.push([what, body, kernel.now])
  const paced = new PacedFrames(kernel, bucket, 100, 1, note("passed"), note("begun"))
  for (const body of [1, 2, 3]) paced.add(body, 2_048, 2_000)
  paced.add(4, 20, 0)
  kernel.runExit(Effect.sleep("10 seconds"))
  expect(seen).toEqual([
    ["begun", 1, 0],
    ["passed", 1, 1_000_000],
    ["begun", 2, 1_000_000],
    ["passed", 2, 3_000_000],
    ["begun", 3, 3_000_000],
    ["passed", 3, 5_000_000],
    ["passed", 4, 5_000_000]
  ])
})
