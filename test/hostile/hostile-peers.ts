// Hostile callers of the peer port, byte by byte: invalid handshakes, refused handshakes, frames that are no
// messages, and messages that break the protocol. Each caller has the count that it must cause; "anything" may be
// well formed by chance, so only what it leaves behind is checked.

import fc from "fast-check"
import { limits } from "../../src/protocol/limits.ts"
import { decodeMessage, encodeMessage } from "../../src/protocol/wire/codec.ts"
import type { Message, SwarmId } from "../../src/protocol/wire/message.ts"
import { peerPath } from "../../src/runtime-net/sockets/ws-transport.ts"
import {
  anyHello,
  anyTalk,
  binary,
  frame,
  handshake,
  latin,
  message,
  request,
  upgrade
} from "./hostile-frames.ts"

export interface HostilePeer {
  readonly says: string
  /** Written one after another. */
  readonly writes: ReadonlyArray<Uint8Array>
  /** Afterwards, the caller closes its side, waits for the host to close, breaks the connection, or never reads. */
  readonly ends: "half" | "hold" | "break" | "unread"
  /** Whether the host closes the connection when the caller does not. */
  readonly isClosed: boolean
  /** The listener counts an invalid handshake, or the connection a protocol error. */
  readonly counts?: "invalid handshake" | "broken"
}

interface Said {
  readonly says: string
  readonly bytes: Uint8Array
}

const junk: fc.Arbitrary<Said> = fc
  .uint8Array({ minLength: 1, maxLength: 300 })
  // Empty lines before a request are skipped.
  .filter(([first]) => first !== 10 && first !== 13)
  .map((bytes) => ({ says: "bytes of any kind", bytes }))

const cutHandshake: fc.Arbitrary<Said> = fc
  .integer({ min: 1, max: handshake.byteLength - 1 })
  .map((end) => ({ says: `${end} bytes of a handshake`, bytes: handshake.subarray(0, end) }))

const { "Sec-WebSocket-Key": _key, ...keyless } = upgrade

const refused: ReadonlyArray<Said> = [
  { says: "a plain GET", bytes: request("GET /", {}) },
  { says: "no upgrade", bytes: request(`GET ${peerPath}`, {}) },
  { says: "HTTP/1.0", bytes: latin(`GET ${peerPath} HTTP/1.0\r\n\r\n`) },
  { says: "a body that does not come", bytes: request("POST /", { "Content-Length": "1000000" }) },
  { says: "a body without end", bytes: request("POST /", { "Transfer-Encoding": "chunked" }) },
  { says: "an odd Expect", bytes: request("GET /", { Expect: "the unexpected" }) },
  { says: "CONNECT", bytes: request("CONNECT other:1", {}) },
  { says: "another path", bytes: request("GET /shoal/other", upgrade) },
  { says: "another method", bytes: request(`POST ${peerPath}`, upgrade) },
  { says: "another protocol", bytes: request(`GET ${peerPath}`, { ...upgrade, Upgrade: "h2c" }) },
  {
    says: "another version",
    bytes: request(`GET ${peerPath}`, { ...upgrade, "Sec-WebSocket-Version": "7" })
  },
  { says: "no key", bytes: request(`GET ${peerPath}`, keyless) },
  {
    says: "a bad subprotocol",
    bytes: request(`GET ${peerPath}`, { ...upgrade, "Sec-WebSocket-Protocol": ",," })
  },
  { says: "large headers", bytes: request(`GET ${peerPath}`, { ...upgrade, Filler: "x".repeat(20_000) }) },
  { says: "TLS", bytes: Buffer.from("16030100c6010000c20303", "hex") }
]

const payloads = fc.uint8Array({ maxLength: 60 })
const huge = fc.oneof(
  fc.bigInt({ min: BigInt(limits.maxPieceLength + 1000), max: 2n ** 32n }),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n })
)

const brokenFrame: fc.Arbitrary<Said> = fc.oneof(
  payloads.map((bytes) => ({ says: "no mask", bytes: frame(binary, bytes, { masked: false }) })),
  fc.tuple(payloads, fc.integer({ min: 1, max: 7 })).map(([bytes, rsv]) => ({
    says: `reserved bits ${rsv}`,
    bytes: frame(binary, bytes, { rsv })
  })),
  fc.tuple(payloads, fc.constantFrom(3, 4, 5, 6, 7, 11, 12, 13, 14, 15)).map(([bytes, opcode]) => ({
    says: `opcode ${opcode}`,
    bytes: frame(opcode, bytes)
  })),
  anyHello.map((hello) => ({ says: "Hello as text", bytes: frame(1, encodeMessage(hello)) })),
  payloads.map((bytes) => ({ says: "the rest of nothing", bytes: frame(0, bytes) })),
  anyHello.map((hello) => {
    const bytes = encodeMessage(hello)
    const [one, other] = [bytes.subarray(0, 9), bytes.subarray(9)]
    const frames = [frame(binary, one, { fin: false }), frame(0, other)]
    return { says: "Hello in two frames", bytes: Buffer.concat(frames) }
  }),
  fc.constantFrom(8, 9, 10).map((opcode) => ({
    says: `a long control frame ${opcode}`,
    bytes: frame(opcode, new Uint8Array(200))
  })),
  fc.constantFrom(9, 10).map((opcode) => ({
    says: `a part of a control frame ${opcode}`,
    bytes: frame(opcode, new Uint8Array(2), { fin: false })
  })),
  fc.constantFrom([3], [0, 1], [0xff, 0xff]).map((bytes) => ({
    says: "a close that is none",
    bytes: frame(8, Uint8Array.from(bytes))
  })),
  fc.tuple(payloads, huge).map(([bytes, length]) => ({
    says: `a frame that says it has ${length} bytes`,
    bytes: frame(binary, bytes, { length })
  })),
  payloads.filter(isNoMessage).map((bytes) => ({
    says: "a frame that is no message",
    bytes: frame(binary, bytes)
  }))
)

function isNoMessage(bytes: Uint8Array): boolean {
  const decoded = decodeMessage(bytes)
  return decoded.tag === "CodecError" && decoded.bye !== "version"
}

const brokenTalk = (swarm: SwarmId): fc.Arbitrary<Said> =>
  fc.oneof(
    fc.tuple(anyTalk(swarm)).map(([said]) => ({ says: `${said.tag} before Hello`, bytes: message(said) })),
    fc
      .tuple(
        anyHello,
        fc.array(anyTalk(swarm), { maxLength: 6 }),
        fc.constantFrom<Message>(
          { tag: "Request", channel: 9, piece: 0 },
          { tag: "Piece", channel: 9, piece: 0, proof: new Uint8Array(32), payload: new Uint8Array(9) },
          { tag: "Open", channel: limits.maxChannels, swarm, have: "none" }
        )
      )
      .map(([hello, talk, last]) => ({
        says: `Hello, ${talk.map(({ tag }) => tag).join(", ")} and a bad ${last.tag}`,
        bytes: Buffer.concat([hello, ...talk, last].map(message))
      })),
    anyHello.map((hello) => ({
      says: "Hello, and Hello again",
      bytes: Buffer.concat([message(hello), message(hello)])
    }))
  )

/** The bytes in one write more than there are cuts. */
const inParts = (bytes: Uint8Array, cuts: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const ends = [...cuts.map((cut) => cut % bytes.byteLength), bytes.byteLength].sort(
    (one, other) => one - other
  )
  return ends.map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end))
}

const anyCuts = fc.array(fc.nat(1000), { maxLength: 4 })

/** Callers whose end and count are certain. */
export const badPeer = (swarm: SwarmId): fc.Arbitrary<HostilePeer> =>
  fc.oneof(
    fc.tuple(fc.oneof(junk, cutHandshake), anyCuts).map(([{ says, bytes }, cuts]) => ({
      says,
      writes: inParts(bytes, cuts),
      ends: "half" as const,
      isClosed: true,
      counts: "invalid handshake" as const
    })),
    fc
      .tuple(fc.constantFrom(...refused), anyCuts, fc.constantFrom("half" as const, "hold" as const))
      .map(([said, cuts, ends]) => ({
        says: said.says,
        writes: inParts(said.bytes, cuts),
        ends,
        isClosed: true,
        counts: "invalid handshake" as const
      })),
    {
      weight: 3,
      arbitrary: fc
        .tuple(
          fc.oneof(brokenFrame, brokenTalk(swarm)),
          fc.oneof(fc.constant(new Uint8Array()), fc.uint8Array({ maxLength: 50 })),
          anyCuts,
          fc.constantFrom("half" as const, "hold" as const)
        )
        .map(([said, after, cuts, ends]) => ({
          says: said.says,
          writes: inParts(Buffer.concat([handshake, said.bytes, after]), cuts),
          ends,
          isClosed: true,
          counts: "broken" as const
        }))
    }
  )

/** One caller for each refused handshake. */
export const refusedPeers: ReadonlyArray<HostilePeer> = refused.map(({ says, bytes }) => ({
  says,
  writes: [bytes],
  ends: "hold",
  isClosed: true,
  counts: "invalid handshake"
}))

/** Callers that begin and then fall silent. They are cut when their time is over. */
export const slowPeers: ReadonlyArray<HostilePeer> = [
  { says: "nothing", writes: [], ends: "hold", isClosed: true, counts: "invalid handshake" },
  {
    says: "half a handshake",
    writes: [handshake.subarray(0, 40)],
    ends: "hold",
    isClosed: true,
    counts: "invalid handshake"
  },
  { says: "a handshake and nothing", writes: [handshake], ends: "hold", isClosed: true },
  {
    says: "a handshake and half a frame",
    writes: [handshake, frame(binary, new Uint8Array(50)).subarray(0, 20)],
    ends: "hold",
    isClosed: true
  }
]

/** Callers that may send anything at all and leave in any way. */
export const anyPeer = (swarm: SwarmId): fc.Arbitrary<HostilePeer> => {
  const frames = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.tuple(fc.nat(15), fc.boolean(), payloads).map(([opcode, fin, bytes]) => frame(opcode, bytes, { fin })),
    anyTalk(swarm).map(message),
    // Many messages at once, to a host whose answers may not be read.
    fc.tuple(anyTalk(swarm), fc.integer({ min: 100, max: 2000 })).map(([said, count]) => {
      const bytes = message(said)
      return Buffer.concat(Array.from({ length: count }, () => bytes))
    }),
    fc
      .integer({ min: 100, max: 2000 })
      .map((count) => Buffer.concat(Array.from({ length: count }, () => frame(9, new Uint8Array(100)))))
  )
  const opened = anyHello.map((hello) =>
    Buffer.concat([message(hello), message({ tag: "Open", channel: 0, swarm, have: "none" })])
  )
  return fc
    .tuple(
      fc.constantFrom(new Uint8Array(), handshake, handshake, handshake),
      fc.option(opened, { nil: new Uint8Array() }),
      fc.array(frames, { maxLength: 5 }),
      fc.constantFrom("half" as const, "hold" as const, "break" as const, "unread" as const)
    )
    .map(([begin, hello, said, ends]) => ({
      says: "anything",
      writes: [begin, hello, ...said].filter(({ byteLength }) => byteLength > 0),
      ends,
      isClosed: ends === "half"
    }))
}
