// Decides every bound of the protocol and the roles, in one place: each line says the unit, the formula and the
// trade-off. Relations between limits are asserted when the module loads.

import { invariant } from "./invariant.ts"
import { milliseconds, seconds } from "./time.ts"

const KiB = 1024
const MiB = 1024 * KiB

export const limits = {
  /** Bytes. Smaller pieces spread a small layer faster; below this the per-piece messages cost more than they win. */
  minPieceLength: 256 * KiB,
  /** Bytes. A piece is held in memory while it is verified; above this a slow peer holds too much. */
  maxPieceLength: 16 * MiB,
  /** Pieces a blob. 16 MiB pieces x this = 16 TiB; a bitfield is at most 128 KiB, metainfo 32 MiB. */
  maxPieces: 1 << 20,
  /** Bytes. The longest Hello credential. */
  maxCredentialBytes: 4 * KiB,
  /** Bytes. The longest "host:port". */
  maxAddressBytes: 262,
  /** Bytes of a frame that is not a Piece: a bitfield of maxPieces and its header fit. */
  maxControlFrame: 160 * KiB,
  /** Pieces in one Have or Suggest; more are sent in further messages. */
  maxPiecesPerMessage: 1024,
  /** Channels a connection, so swarms that two hosts share at once. */
  maxChannels: 1024,

  /** Connections a host keeps, dialled and accepted together. Memory and sockets against reach. */
  maxConnections: 512,
  /** Neighbours a swarm asks for. More shorten the tail, each costs Have traffic (reference: degree 10). */
  targetNeighbours: 10,
  /** Neighbours a swarm accepts: slack over the target, so that late joiners find a place. */
  maxNeighbours: 20,
  /** Neighbours an origin accepts a swarm: it is everyone's first neighbour. */
  maxSeederNeighbours: 64,

  /** Requests outstanding a swarm: enough to cover the round trip at line rate, few enough to stay in order. */
  maxRequestsPerSwarm: 16,
  /** Requests outstanding to one neighbour of a swarm: its next piece is asked while one is under way. */
  maxRequestsPerNeighbour: 2,
  /** Pieces an uploader keeps (being sent and waiting) before it answers Reject busy. */
  maxUploadQueue: 4,
  /** Pieces an uploader hands to the transport at once; the next is loaded while one is sent. */
  maxUploadsInFlight: 2,
  /** Bytes an uploader may hold in memory: the queue at the longest piece. */
  maxUploadBytes: 4 * 16 * MiB,
  /** Duplicates of a request in endgame, the first included. */
  maxEndgameCopies: 2,
  /** A swarm is in endgame when every missing piece is asked for and at most this many are missing. */
  endgamePieces: 8,

  /** A request is given up after base + perMiB x size. Long enough for a fair share of a busy uplink. */
  requestTimeoutBase: seconds(4),
  requestTimeoutPerMiB: seconds(4),
  /** Have messages wait this long for company. Batching is most of the traffic saved. */
  haveBatchDelay: milliseconds(5),
  /** A neighbour that timed out or rejected is left alone at least this long. */
  minRejectBackoff: milliseconds(1),
  maxRejectBackoff: seconds(2),
  /** Hello must arrive within this. */
  handshakeTimeout: seconds(5),
  /** A connection without a channel is kept this long. */
  idleConnectionTimeout: seconds(60),
  /** A peer that sent a bad piece or broke the protocol is not spoken to for this long. */
  banDuration: seconds(600),
  /** Bans remembered. The oldest goes first. */
  maxBans: 4096,
  /** Wait before a failed address is dialled again: doubles from the first to the last. */
  minRedialDelay: milliseconds(250),
  maxRedialDelay: seconds(30),

  /** Between announces of a blob that is being downloaded. */
  announceInterval: seconds(3),
  /** Between announces of a complete blob: it only keeps the tracker's record alive. */
  seedAnnounceInterval: seconds(60),
  /** A peer unheard of for this many of its intervals is forgotten by the tracker. */
  announceMisses: 3,
  /** Peers in one hand-out. */
  maxHandOut: 24,
  /** Swarms in one announce. */
  maxSwarmsPerAnnounce: 256,
  /** Peers a tracker keeps a swarm, and swarms it keeps. */
  maxPeersPerSwarm: 100_000,
  maxSwarmsTracked: 100_000,

  /** Copies of a blob among origins (Kraken: 3). */
  originReplicas: 3,
  /** Bytes of a manifest (OCI: registries should accept at least 4 MiB). */
  maxManifestBytes: 4 * MiB,
  /** Entries of a page of tags or repositories when the client names none. */
  defaultPageSize: 1000,
  maxPageSize: 10_000,
  /** A pull that made no progress for this long fails with a reason. */
  stalledPullTimeout: seconds(120),
  /** HTTP between roles: wait for response headers. */
  httpTimeout: seconds(30)
} as const

invariant(limits.minPieceLength <= limits.maxPieceLength, "limits: minPieceLength > maxPieceLength")
invariant(
  limits.maxPieces / 8 + 256 <= limits.maxControlFrame,
  "limits: a bitfield does not fit a control frame"
)
invariant(limits.targetNeighbours <= limits.maxNeighbours, "limits: targetNeighbours > maxNeighbours")
invariant(limits.maxUploadsInFlight <= limits.maxUploadQueue, "limits: more uploads in flight than queued")
invariant(limits.minRejectBackoff <= limits.maxRejectBackoff, "limits: reject backoff")
