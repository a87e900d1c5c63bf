// The peer engine over a transport that reaches nobody, on a test clock: what it leaves when its host stops.

import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import { peerLimits } from "./limits.ts"
import type { PeerId } from "../../protocol/wire/peer-id.ts"
import { unlimited } from "../config/process-keys.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { PeerTransport } from "../services/peer-transport.ts"
import { Timers } from "../services/timers.ts"
import { clockTimers } from "../../../testing/roles/clock-timers.ts"
import { makeMemoryBlobs } from "../../../testing/roles/memory-blob-store.ts"
import { makePeerEngine } from "./peer-engine.ts"

const unconnected: PeerTransport["Service"] = {
  listen: () => Effect.succeed({ address: "a:1", dial: () => {}, send: () => {}, disconnect: () => {} })
}

describe("peer engine", () => {
  it.effect("looks for idle swarms again and again, and leaves no timer when its host has stopped", () =>
    Effect.gen(function* () {
      const timers = yield* clockTimers
      const engine = makePeerEngine({
        blobs: makeMemoryBlobs({ digest: () => "" as never, swarmId: () => "" as never }),
        kind: "agent",
        peerId: "a".repeat(40) as PeerId,
        peer: { host: "a", port: 1 },
        rates: unlimited,
        metrics: makeRoleMetrics("agent")
      }).pipe(Effect.provideService(PeerTransport, unconnected), Effect.provideService(Timers, timers))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* engine
          const first = [...timers.armed]
          expect(first).toHaveLength(1)
          yield* TestClock.adjust(Duration.micros(BigInt(peerLimits.idleSwarmTimeout)))
          expect(timers.armed.size).toBe(1)
          expect(timers.armed.has(first[0]!)).toBe(false)
        })
      )
      expect(timers.armed.size).toBe(0)
    })
  )
})
