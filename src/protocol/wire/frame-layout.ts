// Constants of the wire format: the byte of every message tag, reason and kind, and the sizes of fixed parts. codec.ts
// shows the layouts. Invariant: a number keeps its meaning in every version; a new name takes the next free number.

import type { ByeReason, CloseReason, Message, RejectReason } from "./message.ts"
import type { PeerKind } from "./peer-id.ts"

export const tags = {
  Hello: 1,
  Open: 2,
  Close: 3,
  Have: 4,
  Request: 5,
  Piece: 6,
  Reject: 7,
  Cancel: 8,
  Suggest: 9,
  Bye: 10
} as const satisfies Record<Message["tag"], number>

export const kindCodes: Record<PeerKind, number> = { agent: 0, origin: 1 }
export const rejectCodes: Record<RejectReason, number> = {
  busy: 0,
  missing: 1,
  cancelled: 2,
  failed: 3,
  closed: 4
}
export const closeCodes: Record<CloseReason, number> = {
  "unknown-swarm": 0,
  "not-interested": 1,
  "too-many": 2,
  finished: 3
}
export const byeCodes: Record<ByeReason, number> = {
  shutdown: 0,
  duplicate: 1,
  full: 2,
  banned: 3,
  idle: 4,
  version: 5,
  "protocol-error": 6
}

/** The names by code. The codes of a table are 0, 1, 2 and so on, in the order of the table. */
const namesOf = <Name extends string>(codes: Record<Name, number>): readonly Name[] =>
  Object.keys(codes) as Name[]
export const kinds = namesOf(kindCodes)
export const rejectReasons = namesOf(rejectCodes)
export const closeReasons = namesOf(closeCodes)
export const byeReasons = namesOf(byeCodes)

export const magic = [0x53, 0x48, 0x4f, 0x41, 0x4c]
export const peerIdBytes = 20
export const swarmIdBytes = 32
export const helloPrefix = 1 + magic.length + 2
export const helloFixed = helloPrefix + peerIdBytes + 1 + 2 + 2
export const openFixed = 1 + 2 + swarmIdBytes + 1
export const listFixed = 1 + 2 + 2
export const rejectBytes = 1 + 2 + 4 + 1 + 4
export const maxChannel = 0xffff
