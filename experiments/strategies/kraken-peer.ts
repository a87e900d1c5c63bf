// A Kraken agent or origin (lib/torrent/scheduler at commit 2a7fbcb). It has one connection per blob and peer, and a
// limited number per blob, pending ones included. Without room it refuses a handshake by closing. A peer whose
// connection failed or closed is not dialled for a while. A request is served when the link gets to it, and never
// refused.
//
//   dialling side:   pending --handshake answered--> active --closed--> blacklisted
//                       +--closed: no room there--> blacklisted
//   answering side:  handshake --room, and no connection of the pair--> active, else closed
//
// An agent requests metainfo from its tracker, announces at once, and then by a tick that serves one blob at a time,
// among those with free or pending connections. It dials the peers of the hand-out in order until there is no room.
// Origins neither announce nor dial. Each new piece is announced to all other peers at once. Complete peers close
// connections between them. A connection without a useful piece for a while is closed.
//
// Not modelled: loss of a connection's process, restarts, the 5 minutes after which idle torrents are dropped.

import type { Micros } from "../../src/protocol/kit/time.ts"
import { isOrigin } from "./image.ts"
import type { PieceChoice } from "./kraken-choice.ts"
import { HandOut, Handshake, kinds, sizes } from "./kraken-messages.ts"
import { KrakenConn, KrakenTorrent } from "./kraken-torrent.ts"
import { type LinkNumber, type RivalIo, RivalMachine } from "./rival.ts"
import type { Stage } from "./rival-crowd.ts"

interface KrakenRules {
  readonly connections: number
  readonly pipeline: number
  readonly originPipeline: number
  readonly endgame: number
  readonly announceInterval: Micros
  readonly blacklist: Micros
  readonly idleTimeout: Micros
}

interface KrakenCounts {
  requests: number
  duplicate_pieces: number
  requests_timed_out: number
  connections: number
  handshakes_refused: number
  announces: number
}

/** The part that all peers of a flash crowd share. */
export interface KrakenWorld {
  readonly stage: Stage
  readonly rules: KrakenRules
  readonly counts: KrakenCounts
  /** Host of the tracker by blob. */
  readonly trackers: ReadonlyArray<number>
  /** By blob. */
  readonly requestTimeouts: ReadonlyArray<Micros>
  readonly choice: PieceChoice
}

// Numbers of the timers; from sweepTimer on there is one per blob.
const announceTimer = 0
const idleTimer = 1
const sweepTimer = 2

export class KrakenPeer extends RivalMachine {
  readonly #io: RivalIo
  readonly #world: KrakenWorld
  /** By blob, once there is metainfo; an origin has only those of the blobs that it holds. */
  readonly #torrents: Array<KrakenTorrent | undefined> = []
  /** By link to a peer: the blob. */
  readonly #blobs: Array<number> = []
  /** By link to a peer: the connection. */
  readonly #conns: Array<KrakenConn | undefined> = []
  /** By accepted link: the host that dialled. */
  readonly #from: Array<number> = []
  readonly #trackerLinks = new Map<number, LinkNumber>()
  /** Blobs to announce, the next first. */
  #announceQueue: Array<number> = []

  constructor(io: RivalIo, world: KrakenWorld) {
    super()
    this.#io = io
    this.#world = world
    const { image, cast } = world.stage
    for (const [blob, owners] of cast.owners.entries()) {
      if (owners.includes(io.host)) this.#torrents[blob] = torrentOf(image.first, blob, true)
    }
  }

  override started(): void {
    const { stage, trackers, rules } = this.#world
    const { now, random } = this.#io
    // Hosts have been running for a while, so their ticks are anywhere in the interval.
    this.#io.wakeAt(now + 1 + random.nextInt(rules.idleTimeout), idleTimer)
    if (isOrigin(stage.cast, this.#io.host)) return
    this.#io.wakeAt(now + 1 + random.nextInt(rules.announceInterval), announceTimer)
    for (const tracker of trackers) {
      if (!this.#trackerLinks.has(tracker)) this.#trackerLinks.set(tracker, this.#io.dial(tracker))
    }
  }

  override accepted(link: LinkNumber, from: number): void {
    this.#from[link] = from
  }

  override opened(link: LinkNumber): void {
    const conn = this.#conns[link]
    if (conn !== undefined) {
      this.#sendHandshake(link, this.#torrents[this.#blobs[link]!]!)
      return
    }
    for (const [blob, tracker] of this.#world.trackers.entries()) {
      if (this.#trackerLinks.get(tracker) === link) {
        this.#io.say(link, kinds.getMetainfo, blob, sizes.httpRequest)
      }
    }
  }

  override told(link: LinkNumber, body: object): void {
    if (body instanceof HandOut) this.#handedOut(body)
    else if (body instanceof Handshake) {
      const conn = this.#conns[link]
      if (conn === undefined) this.#answer(link, body)
      else this.#activate(conn, this.#torrents[body.blob]!, body.words)
    }
  }

  override said(link: LinkNumber, kind: number, argument: number): void {
    if (kind === kinds.metainfo) {
      this.#begin(argument)
      return
    }
    const conn = this.#conns[link]
    if (conn === undefined) return
    const torrent = this.#torrents[this.#blobs[link]!]!
    if (kind === kinds.announcePiece) {
      torrent.peerHas(conn, argument - torrent.first)
      this.#requestMore(conn, torrent)
    } else if (kind === kinds.request) {
      conn.progressAt = this.#io.now
      torrent.peerGets(conn, argument - torrent.first)
      this.#io.upload(link, argument)
    } else if (torrent.isComplete) {
      this.#io.close(link)
    } else {
      torrent.peerHasAll(conn)
      this.#requestMore(conn, torrent)
    }
  }

  override arrived(link: LinkNumber, piece: number): void {
    const torrent = this.#torrents[this.#world.stage.image.blobOf[piece]!]!
    const local = piece - torrent.first
    if (torrent.has(local) || torrent.writing[local]! >= 0) {
      this.#world.counts.duplicate_pieces++
      return
    }
    torrent.writing[local] = link
    this.#io.store(piece)
  }

  override stored(piece: number): void {
    const torrent = this.#torrents[this.#world.stage.image.blobOf[piece]!]!
    const local = piece - torrent.first
    const link = torrent.writing[local]!
    torrent.writing[local] = -1
    torrent.gained(local)
    const conn = this.#conns[link]
    if (conn !== undefined) conn.progressAt = this.#io.now
    if (torrent.isComplete) {
      this.#completed(torrent)
      return
    }
    if (conn !== undefined) this.#requestMore(conn, torrent)
    for (const other of torrent.conns) {
      if (other.isActive && other !== conn) {
        this.#io.say(other.link, kinds.announcePiece, piece, sizes.announcePiece)
      }
    }
  }

  override woken(timer: number): void {
    if (timer === announceTimer) this.#announceTick()
    else if (timer === idleTimer) this.#closeIdle()
    else this.#sweep(timer - sweepTimer)
  }

  override closed(link: LinkNumber): void {
    const conn = this.#conns[link]
    if (conn === undefined) return
    const torrent = this.#torrents[this.#blobs[link]!]!
    this.#conns[link] = undefined
    torrent.conns.splice(torrent.conns.indexOf(conn), 1)
    if (conn.isActive) torrent.removePeer(conn)
    const until = torrent.blacklist.get(conn.peer)
    if (until === undefined || until <= this.#io.now) {
      torrent.blacklist.set(conn.peer, this.#io.now + this.#world.rules.blacklist)
    }
  }

  /** Metainfo has arrived. */
  #begin(blob: number): void {
    this.#torrents[blob] = torrentOf(this.#world.stage.image.first, blob, false)
    this.#announceQueue.push(blob)
    this.#announce(blob)
    this.#io.wakeAt(this.#io.now + this.#sweepEvery(blob), sweepTimer + blob)
  }

  #announce(blob: number): void {
    const link = this.#trackerLinks.get(this.#world.trackers[blob]!)!
    const kind = this.#torrents[blob]!.isComplete ? kinds.announceComplete : kinds.announce
    this.#io.say(link, kind, blob, sizes.announce)
  }

  #announceTick(): void {
    const { rules } = this.#world
    const next = this.#announceQueue.findIndex((blob) => {
      const { conns } = this.#torrents[blob]!
      return conns.length < rules.connections || conns.some(({ isActive }) => !isActive)
    })
    if (next >= 0) {
      // Skipped blobs go behind the others. The announced one goes to the end at once, not when its answer comes as in
      // Kraken, which makes no difference.
      const queue = this.#announceQueue
      const blob = queue[next]!
      this.#announceQueue = [...queue.slice(next + 1), ...queue.slice(0, next), blob]
      this.#announce(blob)
    }
    if (this.#announceQueue.length > 0) this.#io.wakeAt(this.#io.now + rules.announceInterval, announceTimer)
  }

  #handedOut({ blob, peers }: HandOut): void {
    const torrent = this.#torrents[blob]!
    if (torrent.isComplete) return
    const { rules, stage } = this.#world
    const { host, now } = this.#io
    for (const peer of peers) {
      if (torrent.conns.length >= rules.connections) return
      if (peer === host || (torrent.blacklist.get(peer) ?? 0) > now || hasConn(torrent, peer)) continue
      const link = this.#io.dial(peer)
      this.#join(torrent, new KrakenConn(link, peer, isOrigin(stage.cast, peer)))
    }
  }

  /** A host that dialled sent its handshake. */
  #answer(link: LinkNumber, { blob, words }: Handshake): void {
    const { rules, stage, counts } = this.#world
    const torrent = this.#torrents[blob]
    const from = this.#from[link]!
    if (torrent === undefined || torrent.conns.length >= rules.connections || hasConn(torrent, from)) {
      counts.handshakes_refused++
      this.#io.close(link)
      return
    }
    const conn = new KrakenConn(link, from, isOrigin(stage.cast, from))
    this.#join(torrent, conn)
    this.#sendHandshake(link, torrent)
    this.#activate(conn, torrent, words)
  }

  #join(torrent: KrakenTorrent, conn: KrakenConn): void {
    this.#blobs[conn.link] = torrent.blob
    this.#conns[conn.link] = conn
    torrent.conns.push(conn)
  }

  #activate(conn: KrakenConn, torrent: KrakenTorrent, words: Uint32Array): void {
    this.#world.counts.connections++
    conn.progressAt = this.#io.now
    torrent.addPeer(conn, words)
    this.#requestMore(conn, torrent)
  }

  /** A handshake contains the own bitfield and those of all neighbours. */
  #sendHandshake(link: LinkNumber, torrent: KrakenTorrent): void {
    const bitfields = 1 + torrent.conns.filter(({ isActive }) => isActive).length
    const bytes = sizes.handshake + bitfields * (28 + 4 * torrent.have.length)
    this.#io.tell(link, new Handshake(torrent.blob, torrent.have.slice()), bytes)
  }

  #requestMore(conn: KrakenConn, torrent: KrakenTorrent): void {
    if (torrent.isComplete) return
    const { rules, choice, counts } = this.#world
    const duplicates = torrent.pieces - torrent.haveCount <= rules.endgame
    const { now, random } = this.#io
    torrent.ask(conn, { limit: this.#pipeline(conn), duplicates, now }, choice, random, (piece) => {
      counts.requests++
      this.#io.say(conn.link, kinds.request, torrent.first + piece, sizes.request)
    })
  }

  #pipeline({ isOrigin: toOrigin }: KrakenConn): number {
    const { rules } = this.#world
    return toOrigin ? rules.originPipeline : rules.pipeline
  }

  #completed(torrent: KrakenTorrent): void {
    torrent.blacklist.clear()
    this.#announceQueue = this.#announceQueue.filter((blob) => blob !== torrent.blob)
    for (const conn of torrent.conns) {
      if (!conn.isActive) continue
      if (torrent.peerIsComplete(conn)) this.#io.close(conn.link)
      else this.#io.say(conn.link, kinds.complete, torrent.blob, sizes.complete)
    }
    this.#announce(torrent.blob)
  }

  #sweepEvery(blob: number): Micros {
    return Math.ceil(this.#world.requestTimeouts[blob]! / 2)
  }

  /** Requests that take too long go to another peer that has a free request. */
  #sweep(blob: number): void {
    const torrent = this.#torrents[blob]!
    if (torrent.isComplete) return
    const { now } = this.#io
    const { counts, requestTimeouts } = this.#world
    const expired = torrent.expire(now - requestTimeouts[blob]!)
    for (let at = 0; at < expired.length; at += 2) {
      const [piece, link] = [expired[at]!, expired[at + 1]!]
      counts.requests_timed_out++
      const other = torrent.conns.find(
        (conn) => conn.link !== link && torrent.askFor(conn, piece, this.#pipeline(conn), now)
      )
      if (other === undefined) continue
      counts.requests++
      this.#io.say(other.link, kinds.request, torrent.first + piece, sizes.request)
    }
    this.#io.wakeAt(now + this.#sweepEvery(blob), sweepTimer + blob)
  }

  #closeIdle(): void {
    const { idleTimeout } = this.#world.rules
    const { now } = this.#io
    for (const torrent of this.#torrents) {
      for (const conn of torrent?.conns ?? []) {
        if (conn.isActive && now - conn.progressAt > idleTimeout) this.#io.close(conn.link)
      }
    }
    this.#io.wakeAt(now + idleTimeout, idleTimer)
  }
}

const hasConn = (torrent: KrakenTorrent, peer: number): boolean =>
  torrent.conns.some((conn) => conn.peer === peer)

const torrentOf = (first: Int32Array, blob: number, isComplete: boolean): KrakenTorrent =>
  new KrakenTorrent(blob, first[blob]!, first[blob + 1]! - first[blob]!, isComplete)
