// Decides under which names the peer machine's counters are told. The machine counts in plain numbers; they are read
// when someone scrapes.

import type { PeerHost } from "../../protocol/peer/peer-host.ts"
import type { PeerHostCounters } from "../../protocol/swarm/peer-host-io.ts"
import type { RoleMetrics } from "../services/metrics.ts"

type Row = readonly [
  name: string,
  description: string,
  counter: keyof PeerHostCounters,
  labels?: Readonly<Record<string, string>>
]

const received = "Piece bytes received from peers, by what the peer is"
const pieces = "Pieces by what became of them"
const connections = "Peer connections by who dialled"

const rows: readonly Row[] = [
  ["shoal_piece_bytes_received_total", received, "bytesReceivedFromAgents", { source: "agent" }],
  ["shoal_piece_bytes_received_total", received, "bytesReceivedFromOrigins", { source: "origin" }],
  ["shoal_piece_bytes_sent_total", "Piece bytes sent to peers", "bytesSent"],
  ["shoal_pieces_total", pieces, "piecesStored", { outcome: "stored" }],
  ["shoal_pieces_total", pieces, "piecesCorrupt", { outcome: "corrupt" }],
  ["shoal_pieces_total", pieces, "piecesDuplicate", { outcome: "duplicate" }],
  ["shoal_pieces_total", pieces, "piecesUnrequested", { outcome: "unrequested" }],
  ["shoal_pieces_sent_total", "Pieces sent to peers", "piecesSent"],
  ["shoal_requests_sent_total", "Pieces asked of peers", "requestsSent"],
  ["shoal_requests_timed_out_total", "Requests given up after their timeout", "requestsTimedOut"],
  ["shoal_rejects_sent_total", "Requests that this host refused", "rejectsSent"],
  ["shoal_rejects_received_total", "Requests that peers refused", "rejectsReceived"],
  ["shoal_peer_connections_total", connections, "connectionsDialled", { direction: "out" }],
  ["shoal_peer_connections_total", connections, "connectionsAccepted", { direction: "in" }],
  ["shoal_peer_dials_failed_total", "Dials that reached no peer", "dialsFailed"],
  [
    "shoal_peer_protocol_errors_total",
    "Connections ended because the bytes were not the protocol",
    "protocolErrors"
  ],
  ["shoal_peers_banned_total", "Peers banned for a bad piece or a broken protocol", "peersBanned"]
]

/** Tells the machine's counters under their public names. */
export const readPeerMetrics = (metrics: RoleMetrics, machine: PeerHost): void =>
  metrics.readAll(() =>
    rows.map(([name, description, counter, labels]) => ({
      kind: "counter",
      name,
      description,
      labels,
      value: machine.counters[counter]
    }))
  )
