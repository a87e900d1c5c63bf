// Decides every bound of the protocol and the roles, in one place: each line says the unit, the formula and the
// trade-off. Relations between limits are asserted when the module loads.

import { invariant } from "./kit/invariant.ts"
import { preheatLimits } from "./preheat-limits.ts"
import { registryLimits } from "./registry-limits.ts"
import { milliseconds, seconds } from "./kit/time.ts"
import { upstreamLimits } from "./upstream-limits.ts"

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
  /** Neighbours a swarm asks for. More shorten the tail, each costs Have traffic (reference: degree 10). */
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
  /** A downloader with fewer neighbours asks its tracker again as soon as it may. */
  fewNeighbours: 4,
  /** Announces that come due within this are sent together. */
  announceCoalescing: milliseconds(100),
  /** Swarms in one announce, and bytes of it: less than 2 KiB a swarm. */
  maxSwarmsPerAnnounce: 256,
  maxAnnounceBytes: 512 * KiB,
  /** Peers a tracker keeps a swarm, and swarms it keeps. */
  maxPeersPerSwarm: 100_000,
  maxSwarmsTracked: 100_000,

  // Sockets and disks (runtime-net)
  /** Bytes a connection may have in its socket's buffer before the next piece waits: the link never runs dry. */
  maxSocketBuffer: 4 * MiB,
  /** Control messages a connection queues behind pieces before it counts as stuck and is closed. */
  maxQueuedMessages: 16_384,
  /** Bytes beyond a full buffer and one piece that make a connection count as stuck: the peer does not read. */
  maxStuckBytes: 4 * MiB,
  /** Peer sockets a listener holds, those over maxConnections that are being told so included. */
  maxSockets: 1024,
  /** Burst of a rate limit that names none. */
  defaultBurstBytes: 1 * MiB,
  /** A ping after this, and a connection from which no byte came for this long is dead. */
  pingInterval: seconds(15),
  deadConnectionTimeout: seconds(45),
  /** What was sent before a disconnect may take this long to leave. */
  disconnectDrain: seconds(2),
  /** A host that stops lets running requests end for this long. */
  stopDrain: seconds(10),
  /** A client must send its request's headers within this; a body may take as long as it needs. */
  requestHeadersTimeout: seconds(30),
  /**
   * A client that keeps a body waiting for this long is cut: one that sends or reads nothing, or, at every look in that
   * time, less than minClientBytes in all. Above any stall of a pull. A modem's 56 kbit/s moves 2 MB in it.
   */
  httpSilence: seconds(300),
  minClientBytes: 64 * KiB,
  /** Looks in that time: how late a slow client may be noticed, against work for each connection. */
  slowClientLooks: 10,
  /** How often connections are checked for headers that are late. */
  connectionCheck: seconds(5),
  /** A refused connection is read on for this long, so that the refusal is not lost in a reset. */
  refusalLinger: seconds(1),
  /** HTTP connections of a listener, and of one client (an IPv4 address, an IPv6 /64): about 20 KiB each. */
  maxHttpConnections: 16_384,
  maxHttpConnectionsPerClient: 4_096,
  /** An HTTP connection without a request is kept this long. */
  httpKeepAlive: seconds(65),
  /** Connections of a host to one other host's HTTP listener. */
  maxHttpConnectionsPerHost: 64,
  /** Uploads whose running digest is kept in memory; the oldest beyond it is read again at its commit. */
  maxUploadsHashed: 4096,
  /** Unfinished downloads, closed, whose verified pieces a store remembers; the oldest beyond it is hashed again. */
  maxClosedDownloadsKept: 256,
  /** Bytes of an upload that are gathered for the next write before the source waits. */
  maxGatheredWrite: 4 * MiB,

  /** Copies of a blob among origins (Kraken: 3). */
  originReplicas: 3,
  /** Bytes of a manifest (OCI: registries should accept at least 4 MiB). */
  maxManifestBytes: 4 * MiB,
  /** What a configuration may raise that to: a manifest is held in memory while it is checked, and while it is sent. */
  largestManifestBytes: 64 * MiB,
  /** Bytes of pushed manifests that a registry gathers at once; beyond it a client is told to come back. */
  maxGatheredManifests: 256 * MiB,
  /** Bytes of an answer to a write that an agent passes on (`push: forward`): an OCI error document is a few hundred. */
  maxForwardedAnswerBytes: 256 * KiB,
  /** Bytes of what a build-index is told: a record repeats digests and annotations of its manifest, and little more. */
  maxRecordBytes: 5 * MiB,
  /** What a manifest names and lacks, as a refusal lists it: about 100 bytes each. */
  maxMissingListed: 100,
  /** What one manifest may name. Each costs a row in one write: 10,000 hold the build-index for about half a second. */
  maxManifestNames: 10_000,
  /** Tags that one put may move (OCI: registries must take at least 10). */
  maxTagsPerPut: 100,
  /** Changes of a tag that are remembered, and characters of who made one. */
  tagHistory: 20,
  maxChangedByLength: 256,
  /** Entries of a page of tags or repositories when the client names none. */
  defaultPageSize: 1000,
  maxPageSize: 10_000,
  /** A complete swarm that nobody uses gives back its file and memory after this; a peer that asks opens it again. */
  idleSwarmTimeout: seconds(300),
  /** A download that no client waits for any more stays in its swarm this long, asking for nothing: readers come back. */
  abandonedDownloadLinger: seconds(2),
  /** How long a download waits for room within the disk budget; clients give up at about a minute. */
  diskRoomPatience: seconds(30),
  /** Between two measurements of a whole store with a budget, and two notes of a blob's last use: a write for each. */
  diskSurveyInterval: seconds(300),
  /** A swarm that still has neighbours counts as being served this long after a piece was loaded: they ask again. */
  servedLately: seconds(1),
  /** When the disk is too full and all is in use or cannot be removed, it is tried again after this. */
  diskRetryPause: seconds(5),
  /** Pieces that go first for a client that reads in order. More help one reader, fewer keep the swarm diverse. */
  readAheadPieces: 4,
  /**
   * Pieces that are fetched ahead of the one that a ranged reader takes: one at first, one more for each piece that it
   * has taken, at most this many, and none beyond the range. A reader that hangs up in its k-th piece (from 0) so left
   * at most k + 1 + min(k + 1, this) pieces asked for: little for who wanted little, enough for who reads on.
   */
  rangeAheadPieces: 4,
  /**
   * Ranges that one request may name: container tools that fetch chunks ask for up to 1024 at once. Each costs a header
   * of some 170 bytes in the answer.
   */
  maxRanges: 1024,
  /** Ranges of a request that may overlap another one: more only multiply what is sent (RFC 9110, section 14.2). */
  maxRangeOverlaps: 2,
  /** Bytes of a request's headers: maxRanges ranges of a terabyte blob at 28 bytes each fit beside the others. */
  maxRequestHeaderBytes: 48 * KiB,
  /** Headers of a request; clients send some tens. */
  maxRequestHeaders: 500,
  /** How long a pull asks for metainfo while trackers or origins are away; clients give up at about a minute. */
  metainfoPatience: seconds(45),
  /** What an agent remembers of the build-indexes, the least lately used forgotten first: 200 to 300 bytes each. */
  maxRememberedRepositories: 10_000,
  maxRememberedTags: 10_000,
  maxRememberedManifests: 10_000,
  maxRememberedBlobs: 100_000,
  /** How long a read waits for a build-index when there is a last known value to serve instead. */
  revalidationPatience: seconds(2),
  /** A build-index that did not answer is not asked again for this long, while there is a last known value. */
  staleRetryPause: seconds(2),
  /** When a tag was last confirmed is noted at most this often, so Age after a restart is too high by this at most. */
  confirmationNotePause: seconds(60),
  /** A pull that made no progress for this long fails with a reason. */
  stalledPullTimeout: seconds(120),
  /** HTTP between roles: wait for response headers, and for the next byte of a body. */
  httpTimeout: seconds(30),
  /** A small question between roles (a tag, an announce, a health check): the answer needs no disk. */
  askTimeout: seconds(5),
  /** A health check within a readiness report: short, so that the report comes while someone still listens. */
  healthTimeout: seconds(2),
  /** An origin, tracker or build-index that could not be reached is asked last for this long. */
  upstreamCooldown: seconds(10),
  /** Rounds over all upstreams before a request fails, and the wait before the second round; it doubles. */
  upstreamRounds: 3,
  upstreamRoundDelay: milliseconds(200),
  /** Added to httpTimeout for each MiB of a blob while an origin hashes, syncs and copies what it was given. */
  commitTimeoutPerMiB: seconds(1),
  /** Questions that one request asks of other roles at once (blobs of a manifest, members of a cluster). */
  maxParallelAsks: 8,
  /** An upload that nobody touched for this long is dropped; unfinished uploads a registry keeps. */
  uploadSessionTimeout: seconds(24 * 3600),
  maxUploadSessions: 10_000,
  /** Of these, those of one client, so that nobody takes all places: a build machine has some tens. */
  maxUploadSessionsPerClient: 1000,
  /**
   * Requests a second of one client of a registry, and how many at once after a rest. A runtime sends tens, a lazy
   * snapshotter hundreds; one process answers about 20,000.
   */
  clientRequestsPerSecond: 1000,
  clientRequestBurst: 5000,
  /** Clients whose rate is remembered, about 200 bytes each; the one unheard of for longest is forgotten. */
  maxClientsRemembered: 10_000,
  /** Copies to other origins that wait for a retry; the pause between two retries, which bounds their rate. */
  maxQueuedReplications: 100_000,
  replicationRetryPause: seconds(1),
  /** Rows of that queue read at once. */
  replicationPage: 256,
  /** Wait before a failed copy is tried again: doubles from the first to the last. */
  minReplicationDelay: seconds(5),
  maxReplicationDelay: seconds(600),
  /** Blobs that an origin fetches at once from other owners, to repair what it should have. */
  maxParallelRepairs: 2,
  /** Blobs that wait for that; the next one asked for is repaired when it is asked for again. */
  maxQueuedRepairs: 1000,
  /** How long a tracker believes an origin's peer address, and a failure to get one. */
  originPeerLifetime: seconds(60),
  originPeerFailureLifetime: seconds(5),
  /** Metainfo that a tracker keeps: entries, bytes of the longest one, and how long. A miss is not kept. */
  maxMetainfoCached: 256,
  maxMetainfoBytesCached: MiB,
  metainfoLifetime: seconds(300),

  // Preheats, what build-indexes and origins keep, and upstream registries: files of their own.
  ...preheatLimits,
  ...registryLimits,
  ...upstreamLimits
} as const

invariant(limits.minPieceLength <= limits.maxPieceLength, "limits: minPieceLength > maxPieceLength")
invariant(
  limits.maxPieces / 8 + 256 <= limits.maxControlFrame,
  "limits: a bitfield does not fit a control frame"
)
invariant(limits.targetNeighbours <= limits.maxNeighbours, "limits: targetNeighbours > maxNeighbours")
invariant(limits.maxUploadsInFlight <= limits.maxUploadQueue, "limits: more uploads in flight than queued")
invariant(limits.minRejectBackoff <= limits.maxRejectBackoff, "limits: reject backoff")
invariant(2 * limits.pingInterval <= limits.deadConnectionTimeout, "limits: a live peer would count as dead")
invariant(
  limits.stalledPullTimeout < limits.httpSilence,
  "limits: a stalled pull would be cut before it fails"
)
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
invariant(
  2 * limits.preheatProgressInterval <= limits.preheatSilence,
  "limits: a working agent would count as gone"
)
