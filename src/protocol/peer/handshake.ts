// Rules of the handshake: the Hello of this host, and the answer to the Hello of a peer. Pure functions;
// connection-manager.ts applies them.
//
//   dialler  -- Hello -->  acceptor      refused: Bye with the reason instead of a Hello, then the end
//   dialler  <-- Hello --  acceptor
//
// When the same two hosts have two connections, both ends must drop the same one without asking each other. They keep
// the one that the lower peer id dialled; when one host dialled both, they keep the newer one, since a host dials again
// only when the older connection is dead on its side.

import type { HostIdentity } from "../swarm/host-context.ts"
import { type ByeReason, type Message, protocolVersion } from "../wire/message.ts"
import type { PeerId } from "../wire/peer-id.ts"
import type { PeerSession } from "./peer-session.ts"

type Hello = Extract<Message, { tag: "Hello" }>

const noCredentials = new Uint8Array(0)

export const makeHello = (self: HostIdentity): Hello => ({
  tag: "Hello",
  version: protocolVersion,
  peerId: self.peerId,
  kind: self.kind,
  address: self.address,
  credentials: noCredentials
})

/** Why the Hello of a peer is refused; undefined when it is accepted. */
export const refuseHello = (
  self: HostIdentity,
  hello: Hello,
  isBanned: (peerId: PeerId) => boolean
): ByeReason | undefined => {
  if (hello.version !== protocolVersion) return "version"
  if (hello.peerId === self.peerId) return "duplicate"
  if (isBanned(hello.peerId)) return "banned"
  return undefined
}

/** The one of two connections to the same peer that both ends keep. `newer` was opened after `older`. */
export const keptOfTwo = (
  self: PeerId,
  peer: PeerId,
  older: PeerSession,
  newer: PeerSession
): PeerSession => {
  if (older.dialled === newer.dialled) return newer
  const lowerDialled = self < peer
  return newer.dialled === lowerDialled ? newer : older
}
