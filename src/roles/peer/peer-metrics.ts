// Metrics of a host's peer machine: the public name and description of each of its counters. The machine counts in
// plain numbers, which are read at each scrape.
//
// Invariant: every value of version 0.1 is also exposed under its old name, until the next version.

import type { PeerHost } from "../../protocol/peer/peer-host.ts"
import type { PeerHostCounters } from "../../protocol/swarm/peer-host-io.ts"
import {
  counterMetric,
  durationMetric,
  type MetricDefinition,
  type MetricLabels,
  type Reading,
  type RoleMetrics
} from "../services/metrics.ts"

const of = "agents and origins"

const received = counterMetric("shoal_piece_bytes_received_total", {
  of,
  description: "Piece bytes received from peers, by the kind of peer",
  labels: { source: "`agent` or `origin`" }
})
const pieces = counterMetric("shoal_pieces_total", {
  of,
  description: "Pieces received, by outcome",
  labels: { outcome: "`stored`, `corrupt`, `duplicate` or `unrequested`" }
})
const connections = counterMetric("shoal_peer_connections_total", {
  of,
  description: "Peer connections, by direction",
  labels: { direction: "`in` or `out`" }
})

const pieceTimes = durationMetric("shoal_piece_download_seconds", {
  of,
  description: "Time from the request of a piece until it is stored"
})

const plain = (name: string, description: string) => counterMetric(name, { of, description })

const rows: ReadonlyArray<
  readonly [metric: MetricDefinition, counter: keyof PeerHostCounters, labels?: MetricLabels]
> = [
  [received, "bytesReceivedFromAgents", { source: "agent" }],
  [received, "bytesReceivedFromOrigins", { source: "origin" }],
  [plain("shoal_piece_bytes_sent_total", "Piece bytes sent to peers"), "bytesSent"],
  [pieces, "piecesStored", { outcome: "stored" }],
  [pieces, "piecesCorrupt", { outcome: "corrupt" }],
  [pieces, "piecesDuplicate", { outcome: "duplicate" }],
  [pieces, "piecesUnrequested", { outcome: "unrequested" }],
  [plain("shoal_pieces_sent_total", "Pieces sent to peers"), "piecesSent"],
  [plain("shoal_requests_sent_total", "Pieces requested from peers"), "requestsSent"],
  [plain("shoal_requests_timed_out_total", "Requests that timed out"), "requestsTimedOut"],
  [plain("shoal_rejects_sent_total", "Requests of peers that this host rejected"), "rejectsSent"],
  [plain("shoal_rejects_received_total", "Requests that peers rejected"), "rejectsReceived"],
  [connections, "connectionsDialled", { direction: "out" }],
  [connections, "connectionsAccepted", { direction: "in" }],
  [plain("shoal_peer_dials_failed_total", "Dials that failed"), "dialsFailed"],
  [plain("shoal_peer_protocol_errors_total", "Connections closed after a protocol error"), "protocolErrors"],
  [plain("shoal_peers_banned_total", "Peers banned for a corrupt piece or a protocol error"), "peersBanned"]
]

const handshakes = [
  plain("shoal_peer_invalid_handshakes_total", "Callers at the peer port that failed the handshake"),
  plain("shoal_peer_strangers_total", "Old name of shoal_peer_invalid_handshakes_total")
]

/** Exposes the machine's counters, and the callers that the transport refused. */
export const readPeerMetrics = (
  metrics: RoleMetrics,
  machine: PeerHost,
  invalidHandshakes: () => number
): void =>
  metrics.readAll(() => [
    ...rows.map(
      ([metric, counter, labels]): Reading => ({ metric, labels, value: machine.counters[counter] })
    ),
    ...handshakes.map((metric): Reading => ({ metric, value: invalidHandshakes() })),
    { metric: pieceTimes, value: machine.pieceTimes, unit: 1e-6 }
  ])
