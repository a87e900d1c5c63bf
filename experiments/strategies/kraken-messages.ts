// Messages of Kraken's hosts and their sizes on the wire: length-prefixed protobuf between peers, JSON over HTTP to the
// tracker (peer identifiers are arrays of twenty numbers).

export const kinds = {
  /** Between peers; the argument is a piece of the image. */
  request: 1,
  announcePiece: 2,
  /** Between peers; the argument is the blob. */
  complete: 3,
  /** To and from the tracker; the argument is the blob. */
  getMetainfo: 4,
  metainfo: 5,
  announce: 6,
  announceComplete: 7
} as const

export const sizes = {
  request: 20,
  announcePiece: 14,
  complete: 12,
  httpRequest: 300,
  announce: 600,
  emptyHandOut: 300,
  /** Per peer in a hand-out. */
  handedPeer: 180,
  /** Metainfo and a handshake, without the part that grows with the pieces. */
  metainfo: 400,
  handshake: 160,
  /** Per piece in metainfo: its checksum. */
  pieceSum: 11
} as const

/** First message of both sides of a connection between peers. */
export class Handshake {
  readonly blob: number
  /** Pieces of the sender, 32 per word. */
  readonly words: Uint32Array

  constructor(blob: number, words: Uint32Array) {
    this.blob = blob
    this.words = words
  }
}

/** Answer of the tracker to an announce. */
export class HandOut {
  readonly blob: number
  /** The best first. */
  readonly peers: ReadonlyArray<number>

  constructor(blob: number, peers: ReadonlyArray<number>) {
    this.blob = blob
    this.peers = peers
  }
}
