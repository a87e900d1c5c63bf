// Identity and address of a peer. A PeerId is 40 lower-case hex digits (20 bytes, as in BitTorrent and Kraken) and
// stays the same over restarts of its host; an address is the "host:port" ("[v6]:port") of the peer listener.

export type PeerId = string & { readonly PeerId: unique symbol }

/** Kind of a host in a swarm: origins are dedicated seeders. */
export type PeerKind = "agent" | "origin"

/** A peer in a hand-out of the tracker. */
export interface PeerAddress {
  readonly peerId: PeerId
  /** "host:port" of its peer listener. */
  readonly address: string
  readonly kind: PeerKind
}

const pattern = /^[0-9a-f]{40}$/

export const parsePeerId = (text: string): PeerId | undefined =>
  pattern.test(text) ? (text as PeerId) : undefined
