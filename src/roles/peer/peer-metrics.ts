// Metrics of a host's peer machine: the public name and description of each of its counters. The machine counts in
// plain numbers, which are read at each scrape.
//
// Invariant: every value of version 0.1 is also exposed under its old name, until the next version.

import type { PeerHost } from "../../protocol/peer/peer-host.ts"
import type { PeerHostCounters } from "../../protocol/swarm/peer-host-io.ts"
import type { Reading, RoleMetrics } from "../services/metrics.ts"

type Row = readonly [
  name: string,
  description: string,
  counter: keyof PeerHostCounters,
  labels?: Readonly<Record<string, string>>
]

const received = "Piece bytes received from peers, by the kind of peer"
const pieces = "Pieces received, by outcome"
const connections = "Peer connections, by direction"

const rows: readonly Row[] = [
  ["shoal_piece_bytes_received_total", received, "bytesReceivedFromAgents", { source: "agent" }],
  ["shoal_piece_bytes_received_total", received, "bytesReceivedFromOrigins", { source: "origin" }],
  ["shoal_piece_bytes_sent_total", "Piece bytes sent to peers", "bytesSent"],
  ["shoal_pieces_total", pieces, "piecesStored", { outcome: "stored" }],
  ["shoal_pieces_total", pieces, "piecesCorrupt", { outcome: "corrupt" }],
  ["shoal_pieces_total", pieces, "piecesDuplicate", { outcome: "duplicate" }],
  ["shoal_pieces_total", pieces, "piecesUnrequested", { outcome: "unrequested" }],
  ["shoal_pieces_sent_total", "Pieces sent to peers", "piecesSent"],
  ["shoal_requests_sent_total", "Pieces requested from peers", "requestsSent"],
  ["shoal_requests_timed_out_total", "Requests that timed out", "requestsTimedOut"],
  ["shoal_rejects_sent_total", "Requests of peers that this host rejected", "rejectsSent"],
  ["shoal_rejects_received_total", "Requests that peers rejected", "rejectsReceived"],
  ["shoal_peer_connections_total", connections, "connectionsDialled", { direction: "out" }],
  ["shoal_peer_connections_total", connections, "connectionsAccepted", { direction: "in" }],
  ["shoal_peer_dials_failed_total", "Dials that failed", "dialsFailed"],
  ["shoal_peer_protocol_errors_total", "Connections closed after a protocol error", "protocolErrors"],
  ["shoal_peers_banned_total", "Peers banned for a corrupt piece or a protocol error", "peersBanned"]
]

const handshakes = [
  ["shoal_peer_invalid_handshakes_total", "Callers at the peer port that failed the handshake"],
  ["shoal_peer_strangers_total", "Old name of shoal_peer_invalid_handshakes_total"]
] as const

/** Exposes the machine's counters, and the callers that the transport refused. */
export const readPeerMetrics = (
  metrics: RoleMetrics,
  machine: PeerHost,
  invalidHandshakes: () => number
): void =>
  metrics.readAll(() => [
    ...rows.map(
      ([name, description, counter, labels]): Reading => ({
        kind: "counter",
        name,
        description,
        labels,
        value: machine.counters[counter]
      })
    ),
    ...handshakes.map(
      ([name, description]): Reading => ({ kind: "counter", name, description, value: invalidHandshakes() })
    )
  ])
