// The bytes that callers of the peer port send: requests, valid and invalid WebSocket frames, and peer messages.
// hostile-peers.ts composes callers from them.

import fc from "fast-check"
import { limits } from "../../src/protocol/limits.ts"
import { encodeMessage } from "../../src/protocol/wire/codec.ts"
import { type Message, protocolVersion, type SwarmId } from "../../src/protocol/wire/message.ts"
import type { PeerId } from "../../src/protocol/wire/peer-id.ts"
import { peerPath } from "../../src/runtime-net/sockets/ws-transport.ts"

export const latin = (text: string): Uint8Array => Buffer.from(text, "latin1")

export const request = (line: string, headers: Readonly<Record<string, string>>): Uint8Array =>
  latin(
    `${line} HTTP/1.1\r\n${Object.entries({ Host: "peer", ...headers })
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("")}\r\n`
  )

export const upgrade = {
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="
}
export const handshake = request(`GET ${peerPath}`, upgrade)

/** One frame, valid or invalid. */
export const frame = (
  opcode: number,
  payload: Uint8Array,
  odd: {
    readonly fin?: boolean
    readonly rsv?: number
    readonly masked?: boolean
    readonly length?: bigint
  } = {}
): Uint8Array => {
  const length = odd.length ?? BigInt(payload.byteLength)
  const masked = odd.masked ?? true
  const head = Buffer.alloc(2 + 8)
  head[0] = (odd.fin === false ? 0 : 0x80) | ((odd.rsv ?? 0) << 4) | opcode
  let size = 2
  if (length < 126n) head[1] = Number(length)
  else if (length < 65_536n) {
    head[1] = 126
    size += head.writeUInt16BE(Number(length), 2) - 2
  } else {
    head[1] = 127
    size += head.writeBigUInt64BE(length, 2) - 2
  }
  if (masked) head[1]! |= 0x80
  // A mask of zeros leaves the payload unchanged.
  return Buffer.concat([head.subarray(0, size), Buffer.alloc(masked ? 4 : 0), payload])
}

export const binary = 2
export const message = (said: Message): Uint8Array => frame(binary, encodeMessage(said))

const anyPeerId = fc
  .uint8Array({ minLength: 20, maxLength: 20 })
  .map((bytes) => Buffer.from(bytes).toString("hex"))
export const anyHello = anyPeerId.map(
  (peerId): Message => ({
    tag: "Hello",
    version: protocolVersion,
    peerId: peerId as PeerId,
    kind: "agent",
    address: "",
    credentials: new Uint8Array()
  })
)

/** Messages to a host that seeds `swarm`. Only those of an opened channel have a meaning. */
export const anyTalk = (swarm: SwarmId): fc.Arbitrary<Message> => {
  const channel = fc.nat(2)
  const piece = fc.oneof(fc.nat(40), fc.nat(limits.maxPieces - 1))
  const pieces = fc.array(piece, { maxLength: 6 })
  const swarms = fc.constantFrom(swarm, "0f".repeat(32) as SwarmId)
  const have = fc.constantFrom("none" as const, "all" as const, new Uint8Array(4))
  return fc.oneof(
    fc.record({ tag: fc.constant("Open" as const), channel, swarm: swarms, have }),
    fc.record({ tag: fc.constantFrom("Request" as const, "Cancel" as const), channel, piece }),
    fc.record({ tag: fc.constantFrom("Have" as const, "Suggest" as const), channel, pieces }),
    fc.record({ tag: fc.constant("Close" as const), channel, reason: fc.constant("finished" as const) }),
    fc.record({
      tag: fc.constant("Reject" as const),
      channel,
      piece,
      reason: fc.constant("busy" as const),
      retryAfter: fc.nat(1000)
    }),
    fc.record({
      tag: fc.constant("Piece" as const),
      channel,
      piece,
      proof: fc.nat(3).map((hashes) => new Uint8Array(32 * hashes)),
      payload: fc.uint8Array({ maxLength: 2000 })
    })
  )
}
