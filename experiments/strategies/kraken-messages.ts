// Decides what Kraken's hosts say to each other, and how long it is on the wire: length-prefixed protobuf between
// peers, JSON over HTTP to the tracker (peer ids as arrays of twenty numbers).

export const kinds = {
  /** Peer to peer: argument is a piece of the image. */
  request: 1,
  announcePiece: 2,
  /** Argument is the blob. */
  complete: 3,
  /** To and from the tracker: argument is the blob. */
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
  /** Of a peer in a hand-out. */
  handedPeer: 180,
  /** Of metainfo and of a handshake, besides what counts pieces. */
  metainfo: 400,
  handshake: 160,
  /** Of a piece's sum in metainfo. */
  pieceSum: 11
} as const

/** First message of either side of a peer connection. */
export class Handshake {
  readonly blob: number
  /** Pieces that the sender has, 32 a word. */
  readonly words: Uint32Array

  constructor(blob: number, words: Uint32Array) {
    this.blob = blob
    this.words = words
  }
}

/** The tracker's answer to an announce. */
export class HandOut {
  readonly blob: number
  /** Best first. */
  readonly peers: ReadonlyArray<number>

  constructor(blob: number, peers: ReadonlyArray<number>) {
    this.blob = blob
    this.peers = peers
  }
}
