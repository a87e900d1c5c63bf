// The token buckets of a host as experiments use them (Kraken's limiter: a burst of one second of rate, a whole piece
// reserved before it goes): one bucket per direction for all connections of the host, on links that are faster. A
// piece may be delivered when it has arrived, before its tokens are there; the next piece of that connection then
// waits for both.

import { Effect } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { encodedLength } from "../../protocol/wire/codec.ts"
import type { Message, SwarmId } from "../../protocol/wire/message.ts"
import { type RateSettings, rateLimits } from "../../roles/config/process-keys.ts"
import {
  type PeerEndpoint,
  PeerTransport,
  type PeerTransportHandlers
} from "../../roles/services/peer-transport.ts"
import type { LinkModel } from "../network/link-model.ts"
import { makeSimulation } from "../simulation.ts"

const MB = 1_000_000
/** Buckets may count payloads or frames. */
const frameOverhead = 64
const swarm = "5".repeat(64) as SwarmId
const piece = (number: number, byteLength: number): Message => ({
  tag: "Piece",
  channel: 1,
  piece: number,
  proof: new Uint8Array(0),
  payload: { byteLength }
})

interface Passing {
  readonly at: number
  readonly bytes: number
}

/** Listens for peers, and records the pieces that it receives. */
const peer = (name: string, rates: RateSettings, now: () => number, passed: Passing[]) =>
  Effect.gen(function* () {
    const ignore = () => {}
    const handlers: PeerTransportHandlers = {
      connected: ignore,
      dialFailed: ignore,
      received: (_connection, message) => passed.push({ at: now(), bytes: encodedLength(message) }),
      protocolBroken: ignore,
      pieceSent: ignore,
      disconnected: ignore
    }
    const transport = yield* PeerTransport
    const endpoint = yield* transport.listen(
      { listen: { host: name, port: 7000 }, rates: rateLimits(rates) },
      handlers
    )
    return { listeners: [], endpoint }
  })

/**
 * Two peers each send pieces to two others, all at once. Returns the deliveries of each receiver in order of time.
 */
const play = (
  linkModel: LinkModel,
  rates: { readonly senders: RateSettings; readonly receivers: RateSettings },
  sizes: ReadonlyArray<number>
) => {
  const simulation = makeSimulation({ seed: "buckets", uplink: 4000 * MB, downlink: 4000 * MB, linkModel })
  const now = () => simulation.kernel.now
  const passed: Passing[][] = [[], []]
  const run = Effect.gen(function* () {
    const senders: PeerEndpoint[] = []
    for (const name of ["s0", "s1"]) {
      senders.push((yield* simulation.startHost(name, peer(name, rates.senders, now, []))).role.endpoint)
    }
    for (const [index, name] of ["r0", "r1"].entries()) {
      const host = yield* simulation.startHost(name, peer(name, rates.receivers, now, passed[index]!))
      for (const sender of senders) sender.dial(index + 1, host.role.endpoint.address)
    }
    yield* Effect.sleep("10 millis")
    const start = now()
    for (const [number, size] of sizes.entries()) {
      for (const sender of senders) sender.send(1 + (number % 2), piece(number, size), swarm)
    }
    yield* Effect.sleep("60 seconds")
    return start
  })
  const start = simulation.run(Effect.scoped(run))
  return { start, passed }
}

const rate = 100 * MB
const limited = (burst: number) => ({
  egress: { senders: { egress: rate, burst }, receivers: {} },
  ingress: { senders: {}, receivers: { ingress: rate, burst } }
})

describe.each(["queue", "fair"] as const)("token buckets over the model %s", (linkModel) => {
  it.each(["egress", "ingress"] as const)(
    "of %s let a burst of one second pass at the links' rate",
    (way) => {
      const sizes = Array.from({ length: 100 }, () => 4 * MB)
      const { start, passed } = play(linkModel, limited(rate)[way], sizes)
      // 400 MB per limited host: the first 100 at 4 GB/s shared with the other host's, the rest at 100 MB/s.
      const all = passed.flat().map(({ at }) => at - start)
      expect(all).toHaveLength(200)
      const atOnce = all.filter((at) => at < 150_000)
      expect(atOnce.length).toBeGreaterThanOrEqual(46)
      expect(atOnce.length).toBeLessThanOrEqual(2 * (25 + 4 + 2))
      const last = Math.max(...all)
      expect(last).toBeGreaterThan(2_900_000)
      expect(last).toBeLessThan(3_060_000)
    }
  )

  it.each(["egress", "ingress"] as const)("of %s never pass more than the burst and the rate", (way) => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1000, max: 5 * MB }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 2 * rate }),
        (sizes, burst) => {
          const { start, passed } = play(linkModel, limited(burst)[way], sizes)
          expect(passed.flat()).toHaveLength(2 * sizes.length)
          // For egress, two hosts are limited and nothing may be early. For ingress, each of two may be, by a piece
          // per connection.
          const groups = way === "egress" ? [passed.flat()] : passed
          const hosts = way === "egress" ? 2 : 1
          const early = way === "egress" ? 0 : 2 * Math.max(...sizes)
          for (const all of groups) {
            let bytes = 0
            for (const each of [...all].sort((a, b) => a.at - b.at)) {
              bytes += each.bytes - frameOverhead
              const granted = burst + (rate * (each.at - start + 1)) / 1e6
              expect(bytes).toBeLessThanOrEqual(hosts * granted + early)
            }
          }
        }
      ),
      { numRuns: 15 }
    )
  })
})
