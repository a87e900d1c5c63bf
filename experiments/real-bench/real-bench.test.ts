// Tests of requests to the bench of real processes: one that cannot be answered is refused in one line before anything
// starts. test/processes/real-bench.test.ts runs its scenarios.

import { tmpdir } from "node:os"
import { Effect } from "effect"
import { expect, test } from "vitest"
import { type RealBenchRequest, runRealBench } from "./real-bench.ts"

const request: RealBenchRequest = {
  rows: [],
  systems: [],
  small: true,
  check: false,
  storage: tmpdir(),
  conditions: ""
}

test.each([
  [{ rows: ["nothing"] }, "--row nothing: expected one of push-small-16,"],
  [{ systems: ["nothing"] }, "--system nothing: expected one of shoal, distribution, zot, kraken, node"],
  [{ runs: 0 }, "--runs 0: expected 1 to 100"],
  [{ rows: ["floor"], systems: ["node"], storage: "/nowhere" }, "cannot make a folder in /nowhere"]
])("%o is refused", async (wrong, message) => {
  const failure = await Effect.runPromise(Effect.flip(runRealBench({ ...request, ...wrong })))
  expect(failure.message).toContain(message)
})
