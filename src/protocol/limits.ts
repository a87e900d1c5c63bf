// Limits of the protocol: messages, metainfo, the peer machine, announces and hand-outs. Each line states the unit, the
// formula and the trade-off; relations between limits are asserted when the module loads. What bounds a role or a world
// stands in the limits.ts of its folder.

import { invariant } from "./kit/invariant.ts"
import { milliseconds, seconds } from "./kit/time.ts"

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
  /** Pieces in one Have or Suggest; more Haves are sent in further messages. */
  maxPiecesPerMessage: 1024,
  /** Channels a connection, so swarms that two hosts share at once. */
  maxChannels: 1024,

  /** Connections a host keeps, dialled and accepted together. Memory and sockets against reach. */
  maxConnections: 512,
  /** Neighbours a swarm asks for. More shorten the tail, each costs Have traffic. */
  targetNeighbours: 8,
  /** Neighbours that a tracker gives a newcomer; the rest comes with its second announce, when others are here too. */
  newcomerNeighbours: 3,
  /** Neighbours a swarm accepts: slack over the target, so that late joiners find a place. */
  maxNeighbours: 10,
  /** Neighbours an origin accepts a swarm: it is everyone's first neighbour. */
  maxSeederNeighbours: 64,

  /**
   * Requests outstanding a swarm. Somewhat more than the pieces that an uploader queues: more only meet busy uploaders
   * (test-world.ts, 300 agents, 3 origins, 200 pieces of 4 MiB, maxNeighbours 12, two seeds: 16 gave 2.2 Rejects a
   * piece and a last completion of 1.18-1.20 of the bound, 6 gave 0.4 and 1.06; at maxNeighbours 20, 6 gives
   * 1.09-1.10). In first-wave (1,000 agents, one origin) 5 halves the Rejects of 6 at a lower ratio: 1.247 against
   * 1.272. It bounds throughput to 5 pieces a round trip, 1.25 MiB at the smallest.
   */
  maxRequestsPerSwarm: 5,
  /**
   * Requests that the swarms still fetching share, each at least one: two layers at once with a window of 5 each met
   * 0.9 Rejects a piece, with 3 each 0.25, and were done earlier (300 agents, two blobs of 190 pieces, two seeds).
   */
  maxRequestsPerHost: 6,
  /** Requests outstanding to one neighbour of a swarm: its next piece is asked while one is under way. */
  maxRequestsPerNeighbour: 2,
  /** Pieces an uploader keeps (being sent and waiting) before it answers Reject busy. */
  maxUploadQueue: 4,
  /** Pieces an uploader hands to the transport at once; the next is loaded while one is sent. */
  maxUploadsInFlight: 2,
  /** Bytes an uploader may hold in memory: the queue at the longest piece. */
  maxUploadBytes: 4 * 16 * MiB,
  /**
   * A piece being sent lends its place in the queue after this and 8 times the expected time of the queue: a peer that
   * does not read must not stop the others; a slow link must not be taken for one.
   */
  uploadStallTime: milliseconds(500),
  /** The part of a blob's pieces that is fetched nearly in order at the end, so that the whole digest is soon checked. */
  orderedTail: 0.25,
  /**
   * The part of a blob's pieces within which that order is free, in whole words of 32: at most so much is left to hash
   * after the last piece. Without it all ask for the same next pieces: with one source (500 hosts, 954 pieces of 1 MiB)
   * the slowest was at 1.15 of the bound, with 32 pieces at 1.12, with 64 at 1.11. Where many sources leave it to hashing
   * the window costs: Kraken's image in 375 pieces has its median at 1.023 of the bound with 32, at 1.020 without.
   */
  tailWindow: 1 / 16,
  /** Duplicates of a request in endgame, the first included. */
  maxEndgameCopies: 2,
  /** A swarm is in endgame when every missing piece is asked for and at most this many are missing. */
  endgamePieces: 8,

  /** A request is given up after base + perMiB x size. Long enough for a fair share of a busy uplink. */
  requestTimeoutBase: seconds(4),
  requestTimeoutPerMiB: seconds(4),
  /** The longest that it becomes on a slow link, where it follows the usual answer: 5 pieces of 4 MiB at 35 kB/s. */
  maxRequestTimeout: seconds(600),
  /**
   * Have messages wait base + perMiB x piece length for company: a piece or two at 300 MB/s, 20 ms for 4 MB. Have is
   * most of the messages, and batching most of what can be saved of them.
   */
  haveBatchDelay: milliseconds(5),
  haveBatchDelayPerMiB: milliseconds(4),
  /** Such delays after the last Have the next goes out, though no piece was stored that would take it along. */
  haveBatchPatience: 3,
  /** Who could ask us for this part of the pieces hears of new ones so many at a time, or after so many delays. */
  havePlentyPart: 1 / 6,
  haveHoldPieces: 6,
  haveHoldPatience: 24,
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
  /** Hosts whose failed dials or refused swarms are remembered. The oldest goes first; then it is dialled early. */
  maxRedialsRemembered: 4096,
  /** Peers from hand-outs that a swarm keeps in reserve, to replace a neighbour without asking the tracker. */
  maxCandidates: 64,
  /** Swarms that other peers opened and the store has not answered for. Beyond it they get Close too-many. */
  maxPendingAsks: 256,
  /** Readers of a swarm whose windows go first. More are served, without precedence. */
  maxReaders: 64,
  /**
   * Pieces that may come by suggestion while a reader waits for another one; then its piece goes first. A sixteenth of a
   * blob in 1024 pieces (256 MiB to 16 GiB), so that its first byte comes before a tenth. Less gives the first byte
   * sooner, more keeps what a crowd fetches from one source diverse.
   */
  readerPatience: 64,
  /** Suggestions that are kept of one neighbour: the first of its last message. */
  maxSuggestions: 16,
  /** Uplink time per MiB that an uploader assumes until it has measured a send: about 1 Gbit/s. */
  initialUploadTimePerMiB: milliseconds(8),

  /** Between announces of a blob that is being downloaded. */
  announceInterval: seconds(3),
  /** Between announces of a complete blob: it only keeps the tracker's record alive. */
  seedAnnounceInterval: seconds(60),
  /**
   * From the first announce of a download to its second, shortened by up to half by chance: of hosts that join
   * together, the last were handed out to nobody, and find the places that are left. An announce more for every pull.
   */
  secondAnnounceDelay: milliseconds(150),
  /** What a tracker tells is clamped to these. The lower is also how soon a peer short of neighbours may ask again. */
  minAnnounceInterval: seconds(1),
  maxAnnounceInterval: seconds(600),
  /** Wait after a failed announce: doubles from the first to the last. The shortest, half of the first, is the floor. */
  minAnnounceBackoff: seconds(2),
  maxAnnounceBackoff: seconds(15),
  /** A peer unheard of for this many of its intervals is forgotten by the tracker. */
  announceMisses: 3,
  /** Peers in one hand-out. */
  maxHandOut: 24,
  /** Peers of one swarm that a tracker keeps. */
  maxPeersPerSwarm: 100_000
} as const

invariant(limits.minPieceLength <= limits.maxPieceLength, "limits: minPieceLength > maxPieceLength")
invariant(
  limits.maxPieces / 8 + 256 <= limits.maxControlFrame,
  "limits: a bitfield does not fit a control frame"
)
invariant(limits.targetNeighbours <= limits.maxNeighbours, "limits: targetNeighbours > maxNeighbours")
invariant(limits.maxUploadsInFlight <= limits.maxUploadQueue, "limits: more uploads in flight than queued")
invariant(limits.minRejectBackoff <= limits.maxRejectBackoff, "limits: reject backoff")
invariant(
  limits.minAnnounceInterval <= limits.announceInterval &&
    limits.announceInterval <= limits.seedAnnounceInterval &&
    limits.seedAnnounceInterval <= limits.maxAnnounceInterval,
  "limits: announce intervals"
)
invariant(
  limits.minAnnounceInterval * 2 <= limits.minAnnounceBackoff &&
    limits.minAnnounceBackoff <= limits.maxAnnounceBackoff,
  "limits: announce backoff"
)
