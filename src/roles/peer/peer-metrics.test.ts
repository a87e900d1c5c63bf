// Every counter of the peer machine is exposed under its own name and labels, read at the scrape, and callers that
// failed the handshake under the new name and the old one.

import { expect, test } from "vitest"
import { sumOf, valuesOf } from "../../../testing/roles/metrics.ts"
import { milliseconds } from "../../protocol/kit/time.ts"
import type { PeerHost } from "../../protocol/peer/peer-host.ts"
import { newPieceTimes } from "../../protocol/swarm/host-context.ts"
import type { PeerHostCounters } from "../../protocol/swarm/peer-host-io.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { readPeerMetrics } from "./peer-metrics.ts"

test("each counter of the machine is exposed once", () => {
  const counters: PeerHostCounters = {
    bytesReceivedFromAgents: 1,
    bytesReceivedFromOrigins: 2,
    bytesSent: 3,
    piecesStored: 4,
    piecesCorrupt: 5,
    piecesDuplicate: 6,
    piecesUnrequested: 7,
    piecesSent: 8,
    requestsSent: 9,
    requestsTimedOut: 10,
    rejectsSent: 11,
    rejectsReceived: 12,
    connectionsDialled: 13,
    connectionsAccepted: 14,
    dialsFailed: 15,
    protocolErrors: 16,
    peersBanned: 17
  }
  let invalidHandshakes = 18
  const metrics = makeRoleMetrics("agent")
  const pieceTimes = newPieceTimes()
  readPeerMetrics(metrics, { counters, pieceTimes } as PeerHost, () => invalidHandshakes)
  const read = () => {
    const text = metrics.text()
    return [
      sumOf(text, "shoal_piece_bytes_received_total", { source: "agent" }),
      sumOf(text, "shoal_piece_bytes_received_total", { source: "origin" }),
      sumOf(text, "shoal_piece_bytes_sent_total"),
      sumOf(text, "shoal_pieces_total", { outcome: "stored" }),
      sumOf(text, "shoal_pieces_total", { outcome: "corrupt" }),
      sumOf(text, "shoal_pieces_total", { outcome: "duplicate" }),
      sumOf(text, "shoal_pieces_total", { outcome: "unrequested" }),
      sumOf(text, "shoal_pieces_sent_total"),
      sumOf(text, "shoal_requests_sent_total"),
      sumOf(text, "shoal_requests_timed_out_total"),
      sumOf(text, "shoal_rejects_sent_total"),
      sumOf(text, "shoal_rejects_received_total"),
      sumOf(text, "shoal_peer_connections_total", { direction: "out" }),
      sumOf(text, "shoal_peer_connections_total", { direction: "in" }),
      sumOf(text, "shoal_peer_dials_failed_total"),
      sumOf(text, "shoal_peer_protocol_errors_total"),
      sumOf(text, "shoal_peers_banned_total"),
      sumOf(text, "shoal_peer_invalid_handshakes_total"),
      sumOf(text, "shoal_peer_strangers_total")
    ]
  }
  expect(read()).toEqual([...Object.values(counters), 18, 18])
  counters.peersBanned = 20
  invalidHandshakes = 21
  expect(read().slice(-3)).toEqual([20, 21, 21])
  for (const took of [7, 30, 200_000]) pieceTimes.observe(milliseconds(took))
  const name = "shoal_piece_download_seconds"
  expect(valuesOf(metrics.text(), name)).toEqual({ count: 3, within: 3 })
  expect(valuesOf(metrics.text(), name, {}, "0.01")).toEqual({ count: 3, within: 1 })
  expect(valuesOf(metrics.text(), name, {}, "120")).toEqual({ count: 3, within: 2 })
  expect(sumOf(metrics.text(), `${name}_sum`)).toBeCloseTo(200.037)
})
