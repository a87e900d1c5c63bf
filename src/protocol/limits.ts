// Limits of the protocol: messages, metainfo, the peer machine, announces and hand-outs. Each line states the unit,
// the formula and the trade-off; relations between limits are asserted when the module loads. The limits of a role or
// a world are in the limits.ts of its folder.

import { invariant } from "./kit/invariant.ts"
import { milliseconds, seconds } from "./kit/time.ts"

const KiB = 1024
const MiB = 1024 * KiB

export const limits = {
  /**
   * Bytes. Smaller pieces spread a small layer faster; below this the messages per piece cost more than that gains.
   */
  minPieceLength: 256 * KiB,
  /** Bytes. A piece is held in memory while it is verified; above this a slow peer holds too much. */
  maxPieceLength: 16 * MiB,
  /** Pieces per blob. 16 MiB pieces x this = 16 TiB; a bitfield is at most 128 KiB, the hashes kept 64 MiB. */
  maxPieces: 1 << 20,
  /** Hashes of the longest proof, one for each level above maxPieces pieces: at most 640 bytes of a Piece. */
  maxProofHashes: 20,
  /** Bytes of the longest Hello credential. */
  maxCredentialBytes: 4 * KiB,
  /** Bytes of the longest "host:port". */
  maxAddressBytes: 262,
  /** Bytes of a frame that is not a Piece: a bitfield of maxPieces fits with its header. */
  maxControlFrame: 160 * KiB,
  /** Pieces in one Have or Suggest. Further ones go in further messages. */
  maxPiecesPerMessage: 1024,
  /** Channels per connection, which is the number of swarms that two hosts can share at once. */
  maxChannels: 1024,
  /** Opens of one swarm that a peer may leave unanswered; no more are sent after them. */
  maxUnansweredOpens: 4,

  /** Connections of a host, dialled and accepted together: memory and sockets against reach. */
  maxConnections: 512,
  /** Neighbours that a swarm tries to have. More shorten the tail, but each costs Have traffic. */
  targetNeighbours: 8,
  /**
   * Neighbours that a tracker gives a newcomer. The rest comes with its second announce, when other newcomers are
   * here too.
   */
  newcomerNeighbours: 3,
  /** Neighbours that a swarm accepts: slack over the target, so that late joiners find a place. */
  maxNeighbours: 10,
  /** Neighbours per swarm that an origin accepts, because it is everyone's first neighbour. */
  maxSeederNeighbours: 64,

  /**
   * Outstanding requests of a host, and so the pieces that come in at once: as many as go out at once
   * (maxUploadsInFlight). TCP shares links: with six requested and two sent at once, each of six flows gets a sixth of
   * a downlink, and uplinks that send two of them stand idle for two thirds (docs/decisions.md). Fewer save
   * time at the beginning of a download, when a piece must be whole before it goes on; more hide longer round trips.
   * Links `fair`, p50 / slowest of the bound, medians of seeds 1 to 3, which chose it, for 3, 4, 5 and 6: 100 agents,
   * 128 MiB in 1 MiB 1.08 / 1.12, 1.07 / 1.10, 1.06 / 1.12 and 1.07 / 1.13; in 256 KiB 1.14 / 1.16, 1.09 / 1.12,
   * 1.07 / 1.09 and 1.05 / 1.08; 200 agents, two blobs of 100 pieces 1.11 / 1.17, 1.09 / 1.14, 1.09 / 1.14 and 1.08 /
   * 1.13; one origin, 200 agents 1.29 / 1.35, 1.31 / 1.36, 1.31 / 1.36 and 1.39 / 1.43; 2 ms one way, 400 MB in 1 MiB
   * 1.31 / 1.35, 1.20 / 1.25, 1.16 / 1.19 and 1.13 / 1.16.
   */
  maxRequestsPerHost: 5,
  /** Outstanding requests per swarm. Fetching swarms share those of the host; each has at least one. */
  maxRequestsPerSwarm: 5,
  /** Outstanding requests to one neighbour of a swarm: its next piece is requested while one is in flight. */
  maxRequestsPerNeighbour: 2,
  /**
   * Outstanding requests of a swarm that has no piece yet; each piece that it has allows one more. The sooner its first
   * piece is whole, the sooner it goes on to others. Links `fair`, p50 / slowest of the bound, medians of seeds 21 to
   * 23, on which it was weighed: 100 agents, 128 MiB in 1 MiB 1.11 / 1.17 instead of 1.12 / 1.20, 300 agents, 375
   * pieces of 4 MB 1.08 / 1.19 instead of 1.08 / 1.27, and half as many Rejects.
   */
  requestsAtFirst: 1,
  /**
   * Live requests and pieces being stored of a swarm, whatever they weigh: what a path of 20 ms one way needs at
   * 300 MB/s with pieces of 1 MiB is 20. It bounds memory and tables on paths that are longer still. One neighbour has
   * at most half of them, because only its own answers say how long its path is.
   */
  maxRequestsOut: 64,
  /** Bytes of the same: ten of the longest pieces. */
  maxRequestedBytes: 10 * 16 * MiB,
  /**
   * The least part of a request's life that counts as flow (path-times.ts): at most this many times the requests of a
   * short path are out, before the time of flow is known well.
   */
  minFlowPart: 1 / 20,
  /**
   * A request counts 1 + this x (the part of its life that is path)^3 times less (path-times.ts): nothing to speak of
   * where that part is a fifth (2 ms one way, 300 MB/s, 1 MiB), half where it is 0.55 (20 ms). There about ten pieces
   * of a host are on a link or wait in line instead of five, and a queue of so many that come at random is busy for
   * 10/11 of the time instead of 5/6. Links `fair`, 300 agents, 1 GB in 1 MiB, 300 MB/s, 20 ms, one seed: p50 1.40 of
   * the bound with 0, 1.29 with 4, 1.28 with 8 and 16; but with 16 the slowest of 100 agents with 2 ms is at 1.16
   * instead of 1.11.
   */
  longPathGain: 6,
  /**
   * A neighbour whose pieces take more than this many times as long as usual is slow. A request to it counts nothing,
   * and a piece on its way to it holds no place: five requests of which one is slow come at the rate of four. Without
   * it (`fair`, 100 agents of which 10 have a quarter of the rate, 400 MB in 1 MiB) the slowest of the fast ones is at
   * 1.33 of their bound, with a factor of 2 at 1.13. Contention alone rarely makes a piece twice as long.
   */
  slowNeighbourFactor: 2,
  /**
   * Pieces by which a neighbour is behind those that an uploader serves, on average, when it gets a place that the
   * queue does not have. Otherwise a host or two of several hundred find every place taken for a whole download.
   */
  piecesBehind: 4,
  /**
   * Pieces that an uploader queues (in flight and waiting) before it answers Reject busy. What waits, waits as a
   * request at another host, which may turn to a third one, and not in a queue here. A swarm that has no piece in it
   * has one place more, so that a blob that many ask for does not keep out the others.
   */
  maxUploadQueue: 5,
  /**
   * Most further pieces that wait in line there: as many as are sent in a round trip of the asker, since a Reject and a
   * new request would take as long. None on a short path (0.5 ms, 1 MiB, 1 Gbit/s), 11 with 20 ms at 300 MB/s.
   */
  maxUploadLine: 32,
  /** Pieces that an uploader hands to the transport at once: as many as a host requests. */
  maxUploadsInFlight: 5,
  /**
   * Times the usual time on the uplink for which the first piece of a neighbour without pieces has it to itself. It is
   * there sooner than among others, and the number of hosts that can send doubles sooner. A neighbour that reads
   * slowly holds the others up for this long, once. Links `fair`, medians of seeds 1 to 3, which chose it, p50 /
   * slowest of the bound: 100 agents, 3 origins, 128 MiB in 1 MiB 1.08 / 1.13 instead of 1.10 / 1.14, 300 agents, 375
   * pieces of 4 MB 1.07 / 1.11 instead of 1.07 / 1.12, 200 agents, two blobs 1.10 / 1.15 instead of 1.11 / 1.15.
   */
  firstPiecePatience: 4,
  /**
   * Peers that have left and whose turn an uploader remembers, one for each of their swarms, at about 250 bytes each:
   * as many as bans. One that is forgotten goes first once more.
   */
  maxServedRemembered: 4096,
  /** Bytes that an uploader may hold in memory: the queue at the longest piece. */
  maxUploadBytes: 5 * 16 * MiB,
  /**
   * A piece in flight gives up its place in the queue after this and 8 times the time that pieces usually take from
   * the transport to the link, if maxUploadQueue later ones have left before it. A peer that does not read must not
   * stop the others, and a slow link, or a rate limit after its burst, must not be mistaken for such a peer.
   */
  uploadStallTime: milliseconds(500),
  /**
   * Part of a blob's pieces, at its end, that is fetched nearly in order, so that the whole digest is soon checked.
   */
  orderedTail: 0.25,
  /**
   * Part of a blob's pieces within which that order is free, in whole words of 32: at most this much is left to hash
   * after the last piece. Without it all peers request the same next pieces: with one source (500 hosts, 954 pieces
   * of 1 MiB) the slowest was at 1.15 of the bound, with 32 pieces at 1.12, with 64 at 1.11. With many sources
   * hashing is the limit, and the window costs: Kraken's image in 375 pieces has its median at 1.023 of the bound
   * with 32, at 1.020 without.
   */
  tailWindow: 1 / 16,
  /**
   * Recorded pieces of a resumed download that are read and hashed at once: one is read while one is hashed. More would
   * hold up the pieces that arrive meanwhile.
   */
  maxPieceChecks: 2,
  /** Copies of a request in endgame, including the first. */
  maxEndgameCopies: 2,
  /** A swarm is in endgame when every missing piece is requested and at most this many are missing. */
  endgamePieces: 8,

  /** A request times out after base + perMiB x size: long enough for a fair share of a busy uplink. */
  requestTimeoutBase: seconds(4),
  requestTimeoutPerMiB: seconds(4),
  /** Maximum of that timeout on a slow link, where it follows the usual answer time: 5 pieces of 4 MiB at 35 kB/s. */
  maxRequestTimeout: seconds(600),
  /**
   * Have messages wait base + perMiB x piece length to be batched: a piece or two at 300 MB/s, 20 ms for 4 MB. Have
   * is most of the messages, and batching saves most of what can be saved of them.
   */
  haveBatchDelay: milliseconds(5),
  haveBatchDelayPerMiB: milliseconds(4),
  /**
   * Number of such delays after the last Have until the next one goes out, even when no stored piece would take it
   * along.
   */
  haveBatchPatience: 3,
  /**
   * A neighbour that can request this part of the pieces from us gets Haves in batches, or after a number of delays.
   */
  havePlentyPart: 1 / 6,
  haveHoldPieces: 6,
  haveHoldPatience: 24,
  /** A neighbour that timed out or rejected gets no request for at least this long. */
  minRejectBackoff: milliseconds(1),
  maxRejectBackoff: seconds(2),
  /** Hello must arrive within this time. */
  handshakeTimeout: seconds(5),
  /** A connection without a channel is kept for this time. */
  idleConnectionTimeout: seconds(60),
  /** A peer that sent a corrupt piece or broke the protocol is banned for this time. */
  banDuration: seconds(600),
  /** Bans that are remembered. The oldest is forgotten first. */
  maxBans: 4096,
  /** Wait before a failed address is dialled again. It doubles from the first to the last. */
  minRedialDelay: milliseconds(250),
  maxRedialDelay: seconds(30),
  /**
   * Hosts with failed dials or refused swarms that are remembered. The oldest is forgotten first, and is then dialled
   * early.
   */
  maxRedialsRemembered: 4096,
  /** Peers from hand-outs that a swarm keeps in reserve, to replace a neighbour without asking the tracker. */
  maxCandidates: 64,
  /** Swarms that other peers opened and the store has not answered for. Beyond it they get Close too-many. */
  maxPendingAsks: 256,
  /** Readers of a swarm whose windows go first. Further readers are served without precedence. */
  maxReaders: 64,
  /**
   * Pieces that may come by suggestion while a reader waits for another one; then its piece goes first. A
   * thirty-second of a blob in 2048 pieces (512 MiB to 32 GiB), so that its first byte comes before a tenth. Fewer give
   * the first byte sooner, more keep the pieces that a crowd fetches from one source diverse.
   */
  readerPatience: 64,
  /** Suggestions of one neighbour that are kept: the first ones of its last message. */
  maxSuggestions: 16,
  /** Refusals in a row by which an origin steers a neighbour to its suggestions; then it gets what it insists on. */
  maxSteers: 64,
  /** Uplink time per MiB that an uploader assumes until it has measured a send: about 1 Gbit/s. */
  initialUploadTimePerMiB: milliseconds(8),

  /** Time between announces of a blob that is being downloaded. */
  announceInterval: seconds(3),
  /** Time between announces of a complete blob, which only keep the tracker's record alive. */
  seedAnnounceInterval: seconds(60),
  /**
   * Time from the first announce of a download to its second, shortened at random by up to half. Of hosts that join
   * together, the last ones were handed out to nobody, and find the free places this way. It costs one more announce
   * per pull.
   */
  secondAnnounceDelay: milliseconds(150),
  /**
   * Announce intervals of a tracker are clamped to these. The lower one also bounds how soon a peer with few
   * neighbours may ask again.
   */
  minAnnounceInterval: seconds(1),
  maxAnnounceInterval: seconds(600),
  /** Wait after a failed announce. It doubles from the first to the last. Half of the first is the minimum. */
  minAnnounceBackoff: seconds(2),
  maxAnnounceBackoff: seconds(15),
  /** A tracker forgets a peer after this many of its intervals without an announce. */
  announceMisses: 3,
  /** Peers in one hand-out. */
  maxHandOut: 24,
  /**
   * Peers that are compared for a place of a hand-out. Measured with 5,000 peers that join one after another: the
   * standard deviation of the degree and the diameter in hops are, after joining, 4.6 and 6 with one compared peer, 3.3
   * and 6 with two, 2.6 and 7 with three, 2.0 and 8 with five; after another round of announces 3.3 and 5, 1.9 and 5,
   * 1.2 and 6, 0.7 and 7.
   */
  comparedPeers: 3,
  /** Probes for a place of a hand-out, including those of peers that are chosen already or full. */
  maxPeerProbes: 12,
  /** Peers of one swarm that a tracker keeps. */
  maxPeersPerSwarm: 100_000
} as const

invariant(limits.minPieceLength <= limits.maxPieceLength, "limits: minPieceLength > maxPieceLength")
invariant(limits.maxPieces <= 2 ** limits.maxProofHashes, "limits: a proof is shorter than a tree is high")
invariant(
  limits.maxPieces / 8 + 256 <= limits.maxControlFrame,
  "limits: a bitfield does not fit a control frame"
)
invariant(limits.targetNeighbours <= limits.maxNeighbours, "limits: targetNeighbours > maxNeighbours")
invariant(limits.maxUploadsInFlight <= limits.maxUploadQueue, "limits: more uploads in flight than queued")
invariant(
  limits.maxUploadsInFlight === limits.maxRequestsPerHost,
  "limits: as many pieces go out at once as come in"
)
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
