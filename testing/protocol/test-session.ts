// Sessions for tests of what holds connections: a peer's number names its id, its address and its connection.

import { PeerSession } from "../../src/protocol/peer/peer-session.ts"
import type { PeerKind } from "../../src/protocol/wire/peer-id.ts"
import { testPeer } from "./test-values.ts"

/** A connection that is being made to a peer. */
export const dialledSession = (connection: number, peer: number, maxChannels = 4): PeerSession => {
  const { peerId, address } = testPeer(peer)
  const session = new PeerSession(connection, { dialled: true, address, expected: peerId, maxChannels })
  session.state = "dialling"
  return session
}

/** A connection that is past its handshake: dialled by this host when its number is positive. */
export const openSession = (
  connection: number,
  peer: number,
  { kind = "agent", maxChannels = 4 }: { kind?: PeerKind; maxChannels?: number } = {}
): PeerSession => {
  const { peerId, address } = testPeer(peer, kind)
  const dialled = connection > 0
  const expected = dialled ? peerId : undefined
  const session = new PeerSession(connection, { dialled, address, expected, maxChannels })
  session.state = "open"
  session.peerId = peerId
  session.kind = kind
  return session
}
