// Child process of `npm run bench`: it runs the flash crowd of its argument and prints the cost as JSON in a line. It
// is a process of its own, so that peak memory is that of this flash crowd. It binds the clock before a simulation
// forbids it.

import { writeSync } from "node:fs"
import { Effect } from "effect"
import { makeProgress } from "../engine/progress.ts"
import { runFlashCrowd } from "../flash-crowd/crowd-run.ts"
import type { FlashCrowd } from "../flash-crowd/flash-crowd.ts"
import type { BenchCost } from "./bench-table.ts"

const now = performance.now.bind(performance)
const spec = JSON.parse(process.argv[2] ?? "") as FlashCrowd
const progress = makeProgress(
  {
    isTTY: process.stderr.isTTY === true,
    columns: process.stderr.columns || 80,
    write: (text) => writeSync(process.stderr.fd, text)
  },
  now
)

const began = now()
const result = await Effect.runPromise(Effect.result(runFlashCrowd(spec, {}, progress)))
const seconds = (now() - began) / 1000
progress.finish()
if (result._tag === "Failure") {
  process.stderr.write(`${result.failure.message}\n`)
  process.exitCode = 1
} else {
  const { events, pieceTransfers } = result.success
  const cost: BenchCost = {
    seconds,
    // Node gives KiB.
    memory: process.resourceUsage().maxRSS * 1024,
    events,
    transfers: pieceTransfers
  }
  process.stdout.write(`${JSON.stringify(cost)}\n`)
}
