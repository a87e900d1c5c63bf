// Holds the checks of a wave to their purpose: a result that is too good, or that loses bytes, is not believed.

import { assert, describe, it } from "vitest"
import { newCounters } from "../src/protocol/host-context.ts"
import { type EqualLinks, makespanBound } from "./bounds.ts"
import { doubtOf } from "./first-wave-checks.ts"
import type { Wave } from "./first-wave-watch.ts"

const links: EqualLinks = {
  bytes: 4 * 2 ** 20,
  pieceLength: 2 ** 18,
  receivers: 3,
  sources: 1,
  rate: 1e8,
  latency: 0.0005
}
const bound = Math.ceil(makespanBound(links) * 1e6)
const bytes = links.bytes * links.receivers

const wave = (change: {
  completions?: ReadonlyArray<number>
  stored?: number
  received?: number
  sent?: number
}): Wave => ({
  completions: change.completions ?? [bound, bound, bound],
  firstPieces: [1, 1, 1],
  lastPieces: [1, 1, 1],
  samples: [],
  allOutside: { at: 1, sentByOrigins: 1 },
  agents: {
    ...newCounters(),
    piecesStored: change.stored ?? 48,
    bytesReceivedFromAgents: change.received ?? bytes,
    bytesSent: change.sent ?? bytes
  },
  origins: newCounters()
})

describe("doubtOf", () => {
  it("believes a wave that is as fast as the bound", () => {
    assert.isUndefined(doubtOf(wave({}), links))
  })

  it("doubts a last agent before the bound", () => {
    assert.include(
      doubtOf(wave({ completions: [bound - 5, bound - 2, bound - 3] }), links),
      "before the bound"
    )
  })

  it("doubts one agent before its own floor, though the last is late", () => {
    const downlink = (links.bytes / links.rate + links.latency) * 1e6
    assert.isUndefined(doubtOf(wave({ completions: [2 * bound, Math.ceil(downlink), bound] }), links))
    assert.include(
      doubtOf(wave({ completions: [2 * bound, Math.floor(downlink) - 2, bound] }), links),
      "agent 2 "
    )
  })

  it("doubts pieces and bytes that do not add up", () => {
    assert.include(doubtOf(wave({ stored: 47 }), links), "47 pieces were stored")
    assert.include(doubtOf(wave({ received: bytes - 1, sent: bytes }), links), "less than")
    assert.include(doubtOf(wave({ received: bytes + 5, sent: bytes + 4 }), links), "only")
  })
})
