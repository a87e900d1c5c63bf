// Codec: every message survives its frame, a frame has one meaning, and no bytes make the decoder throw.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { limits } from "../limits.ts"
import {
  decodeMessage,
  encodedLength,
  encodeMessage,
  maxPieceHeaderBytes,
  pieceHeaderBytes,
  writePieceHeader
} from "./codec.ts"
import { toHex } from "./digest.ts"
import { tags } from "./frame-layout.ts"
import { type Message, protocolVersion, type SwarmId } from "./message.ts"
import type { PeerId } from "./peer-id.ts"

const bytesOf = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => new Uint8Array(bytes))
const channel = fc.integer({ min: 0, max: 0xffff })
const piece = fc.integer({ min: 0, max: limits.maxPieces - 1 })
const pieces = fc.array(piece, { maxLength: limits.maxPiecesPerMessage, size: "max" })
const swarm = bytesOf(32).map((bytes) => toHex(bytes) as SwarmId)
const bytesUpTo = (maxLength: number) =>
  fc.uint8Array({ maxLength, size: "max" }).map((bytes) => new Uint8Array(bytes))

const messages: Record<Message["tag"], fc.Arbitrary<Message>> = {
  Hello: fc.record({
    tag: fc.constant("Hello"),
    version: fc.constant(protocolVersion),
    peerId: bytesOf(20).map((bytes) => toHex(bytes) as PeerId),
    kind: fc.constantFrom("agent", "origin"),
    address: fc
      .array(fc.integer({ min: 0x21, max: 0x7e }), { maxLength: limits.maxAddressBytes, size: "max" })
      .map((codes) => String.fromCharCode(...codes)),
    credentials: bytesUpTo(300)
  }),
  Open: fc.record({
    tag: fc.constant("Open"),
    channel,
    swarm,
    have: fc.oneof(fc.constant("all" as const), fc.constant("none" as const), bytesUpTo(200))
  }),
  Close: fc.record({
    tag: fc.constant("Close"),
    channel,
    reason: fc.constantFrom("unknown-swarm", "not-interested", "too-many", "finished")
  }),
  Have: fc.record({ tag: fc.constant("Have"), channel, pieces }),
  Request: fc.record({ tag: fc.constant("Request"), channel, piece }),
  Piece: fc.record({
    tag: fc.constant("Piece"),
    channel,
    piece,
    proof: fc.integer({ min: 0, max: limits.maxProofHashes }).chain((hashes) => bytesOf(32 * hashes)),
    payload: bytesUpTo(400)
  }),
  Reject: fc.record({
    tag: fc.constant("Reject"),
    channel,
    piece,
    reason: fc.constantFrom("busy", "missing", "cancelled", "failed", "closed"),
    retryAfter: fc.integer({ min: 0, max: 0xffffffff })
  }),
  Cancel: fc.record({ tag: fc.constant("Cancel"), channel, piece }),
  Suggest: fc.record({ tag: fc.constant("Suggest"), channel, pieces }),
  Bye: fc.record({
    tag: fc.constant("Bye"),
    reason: fc.constantFrom("shutdown", "duplicate", "full", "banned", "idle", "version", "protocol-error")
  })
}

const anyMessage = fc.oneof(...Object.values(messages))

/** Bytes that are likely to decode: a known tag, then anything. */
const likelyFrame = fc
  .tuple(fc.integer({ min: 0, max: 12 }), fc.uint8Array({ maxLength: 64 }))
  .map(([tag, rest]) => new Uint8Array([tag, ...rest]))

const request: Message = { tag: "Request", channel: 1, piece: 2 }

const refusal = (frame: Uint8Array): string => {
  const decoded = decodeMessage(frame)
  return decoded.tag === "CodecError" ? decoded.reason : `decoded as ${decoded.tag}`
}

describe("a frame", () => {
  for (const [tag, message] of Object.entries(messages)) {
    test(`of ${tag} decodes to the message it was made from`, () => {
      fc.assert(
        fc.property(message, (sent) => {
          expect(decodeMessage(encodeMessage(sent))).toEqual(sent)
        })
      )
    })
  }

  test("has the length of encodedLength", () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        expect(encodedLength(message)).toBe(encodeMessage(message).length)
      })
    )
  })

  test("has the length of a Piece whose proof and payload are only symbols", () => {
    const payload = { byteLength: 4_000_000 }
    const proof = { byteLength: 96, subarray: () => proof }
    expect(encodedLength({ tag: "Piece", channel: 0, piece: 0, proof, payload })).toBe(
      4_000_096 + pieceHeaderBytes
    )
  })

  test("never makes the decoder throw, and is the only frame of its message", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), likelyFrame), (frame) => {
        const decoded = decodeMessage(frame)
        if (decoded.tag !== "CodecError") expect([...encodeMessage(decoded)]).toEqual([...frame])
        else expect(decoded.reason).not.toBe("")
      }),
      { numRuns: 3000 }
    )
  })

  test("that is cut is refused, except a Piece or a bitfield that is only shorter", () => {
    fc.assert(
      fc.property(anyMessage, fc.nat(), (message, cut) => {
        const whole = encodeMessage(message)
        const frame = whole.subarray(0, cut % whole.length)
        const decoded = decodeMessage(frame)
        if (decoded.tag === "CodecError") return
        expect(message.tag === "Piece" || (message.tag === "Open" && typeof message.have !== "string")).toBe(
          true
        )
        expect(encodedLength(decoded)).toBe(frame.length)
      }),
      { numRuns: 1000 }
    )
  })

  test("with bytes after its end is refused, except a Piece or a bitfield that is only longer", () => {
    fc.assert(
      fc.property(anyMessage, fc.uint8Array({ minLength: 1, maxLength: 9 }), (message, rest) => {
        const decoded = decodeMessage(new Uint8Array([...encodeMessage(message), ...rest]))
        if (decoded.tag === "CodecError") return
        expect(message.tag === "Piece" || (message.tag === "Open" && typeof message.have !== "string")).toBe(
          true
        )
      })
    )
  })

  test("with zeros after its end is refused as well, though they could stand for one more piece", () => {
    for (const tag of ["Hello", "Have", "Suggest", "Request", "Reject", "Cancel", "Close", "Bye"] as const) {
      fc.assert(
        fc.property(messages[tag], fc.integer({ min: 1, max: 8 }), (message, zeros) => {
          const frame = encodeMessage(message)
          const longer = new Uint8Array(frame.length + zeros)
          longer.set(frame)
          expect(decodeMessage(longer).tag).toBe("CodecError")
        }),
        { numRuns: 20 }
      )
    }
  })

  test("of a Buffer-like view at an offset is read from its own first byte", () => {
    const frame = encodeMessage(request)
    const larger = new Uint8Array([9, 9, 9, ...frame, 9])
    expect(decodeMessage(larger.subarray(3, 3 + frame.length))).toEqual(request)
  })

  test("shares its bytes with the payload of a Piece", () => {
    const payload = new Uint8Array([1, 2, 3])
    const frame = encodeMessage({ tag: "Piece", channel: 7, piece: 9, proof: new Uint8Array(32), payload })
    const decoded = decodeMessage(frame)
    if (decoded.tag !== "Piece") throw new Error("not a Piece")
    expect((decoded.payload as Uint8Array).buffer).toBe(frame.buffer)
    expect((decoded.proof as Uint8Array).buffer).toBe(frame.buffer)
  })

  test("of a Piece is the header of writePieceHeader and the payload", () => {
    const payload = new Uint8Array([5, 6, 7])
    const proof = new Uint8Array(limits.maxProofHashes * 32).fill(9)
    const message = { tag: "Piece", channel: 513, piece: 70_000, proof, payload } as const
    const target = new Uint8Array(2 + maxPieceHeaderBytes + payload.length)
    expect(writePieceHeader(target, 2, message)).toBe(2 + maxPieceHeaderBytes)
    target.set(payload, 2 + maxPieceHeaderBytes)
    expect(target.subarray(2)).toEqual(encodeMessage(message))
  })
})

describe("the layout", () => {
  // These bytes are the protocol: a change here is a new version.
  test("is fixed", () => {
    const hex = (message: Message) => toHex(encodeMessage(message))
    const swarmId = "ab".repeat(32) as SwarmId
    expect(hex(request)).toBe("05000100000002")
    expect(hex({ tag: "Cancel", channel: 256, piece: 0x01020 })).toBe("08010000001020")
    const payload = new Uint8Array([9])
    expect(hex({ tag: "Piece", channel: 1, piece: 2, proof: new Uint8Array(0), payload })).toBe(
      "060001000000020009"
    )
    const proof = new Uint8Array(64).fill(0xcd)
    expect(hex({ tag: "Piece", channel: 1, piece: 2, proof, payload })).toBe(
      `0600010000000202${"cd".repeat(64)}09`
    )
    expect(hex({ tag: "Have", channel: 2, pieces: [1, 258] })).toBe("04000200020000000100000102")
    expect(hex({ tag: "Suggest", channel: 2, pieces: [] })).toBe("0900020000")
    expect(hex({ tag: "Reject", channel: 1, piece: 3, reason: "failed", retryAfter: 500_000 })).toBe(
      "070001000000030300" + "07a120"
    )
    expect(hex({ tag: "Close", channel: 1, reason: "finished" })).toBe("03000103")
    expect(hex({ tag: "Bye", reason: "protocol-error" })).toBe("0a06")
    expect(hex({ tag: "Open", channel: 1, swarm: swarmId, have: "all" })).toBe(`020001${swarmId}01`)
    expect(hex({ tag: "Open", channel: 1, swarm: swarmId, have: "none" })).toBe(`020001${swarmId}00`)
    expect(hex({ tag: "Open", channel: 1, swarm: swarmId, have: new Uint8Array([0x80]) })).toBe(
      `020001${swarmId}0280`
    )
    expect(
      hex({
        tag: "Hello",
        version: 2,
        peerId: "cd".repeat(20) as PeerId,
        kind: "origin",
        address: "h:1",
        credentials: new Uint8Array([0xff])
      })
    ).toBe(`0153484f414c0002${"cd".repeat(20)}010003683a310001ff`)
  })

  test("of a bitfield at maxPieces fits a frame", () => {
    const have = new Uint8Array(limits.maxPieces / 8)
    const message: Message = { tag: "Open", channel: 0, swarm: "00".repeat(32) as SwarmId, have }
    expect(decodeMessage(encodeMessage(message)).tag).toBe("Open")
  })
})

describe("refusals", () => {
  const withByte = (message: Message, offset: number, value: number): Uint8Array => {
    const frame = encodeMessage(message)
    frame[offset] = value
    return frame
  }
  const hello: Message = {
    tag: "Hello",
    version: protocolVersion,
    peerId: "00".repeat(20) as PeerId,
    kind: "agent",
    address: "host:1",
    credentials: new Uint8Array(0)
  }

  test("name the unknown message, reason, kind and form", () => {
    expect(refusal(new Uint8Array([0]))).toBe("unknown message 0")
    expect(refusal(new Uint8Array([200, 1, 2]))).toBe("unknown message 200")
    expect(refusal(withByte({ tag: "Bye", reason: "idle" }, 1, 99))).toBe("Bye: unknown reason 99")
    expect(refusal(withByte({ tag: "Close", channel: 1, reason: "finished" }, 3, 4))).toBe(
      "Close: unknown reason 4"
    )
    const reject: Message = { tag: "Reject", channel: 1, piece: 1, reason: "busy", retryAfter: 0 }
    expect(refusal(withByte(reject, 7, 5))).toBe("Reject: unknown reason 5")
    expect(refusal(withByte(hello, 28, 2))).toBe("Hello: unknown kind 2")
    const open: Message = { tag: "Open", channel: 1, swarm: "00".repeat(32) as SwarmId, have: "all" }
    expect(refusal(withByte(open, 35, 3))).toBe("Open: unknown form 3 of what the sender has")
  })

  test("name the message whose frame has the wrong length, and blame the peer", () => {
    for (const [name, tag] of Object.entries(tags)) {
      expect(decodeMessage(Uint8Array.of(tag))).toEqual({
        tag: "CodecError",
        reason: `${name}: a frame of 1 bytes has the wrong length`,
        bye: "protocol-error"
      })
    }
    expect(refusal(new Uint8Array(0))).toBe("an empty frame")
  })

  test("do not cover the longest control frame, or a Piece without bytes", () => {
    const longest = new Uint8Array(limits.maxControlFrame)
    longest.set([2, 0, 1])
    longest[35] = 2
    expect(decodeMessage(longest)).toMatchObject({ tag: "Open", channel: 1 })
    expect(decodeMessage(Uint8Array.of(6, 0, 1, 0, 0, 0, 2, 0))).toMatchObject({ tag: "Piece", piece: 2 })
  })

  test("name another version, whatever follows it in the Hello, and ask for Bye version", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff }), fc.uint8Array({ maxLength: 80 }), (version, rest) => {
        fc.pre(version !== protocolVersion)
        const prefix = encodeMessage({ ...hello, version }).subarray(0, 8)
        expect(decodeMessage(new Uint8Array([...prefix, ...rest]))).toEqual({
          tag: "CodecError",
          reason: `Hello: the peer speaks version ${version}, this host ${protocolVersion}`,
          bye: "version"
        })
      })
    )
  })

  test("cover an invalid handshake, an address with a line break, and lengths beyond the limits", () => {
    expect(refusal(withByte(hello, 1, 0x47))).toContain("not a Shoal peer")
    expect(refusal(withByte(hello, 31, 0x0a))).toContain("not printable")
    expect(refusal(withByte(hello, 29, 0x10))).toContain(`longer than ${limits.maxAddressBytes}`)
    expect(refusal(withByte(hello, 37, 0x11))).toContain(`more than ${limits.maxCredentialBytes}`)
  })

  test("cover a list that is too long, by its count", () => {
    const count = limits.maxPiecesPerMessage + 1
    for (const tag of [4, 9]) {
      const frame = new Uint8Array(5 + 4 * count)
      frame.set([tag, 0, 0, count >> 8, count & 0xff])
      expect(refusal(frame)).toContain(`${count} pieces are more than`)
    }
  })

  test("cover frames that are too long: control and Piece", () => {
    const control = new Uint8Array(limits.maxControlFrame + 1)
    control[0] = 2
    expect(refusal(control)).toContain("longer than")
    const long = new Uint8Array(pieceHeaderBytes + limits.maxPieceLength + 1)
    long[0] = 6
    expect(refusal(long)).toBe(
      `Piece: ${limits.maxPieceLength + 1} bytes are more than ${limits.maxPieceLength}`
    )
    expect(decodeMessage(long.subarray(0, long.length - 1)).tag).toBe("Piece")
  })

  test("cover a proof that is longer than a tree is high, or cut", () => {
    const most = new Uint8Array(pieceHeaderBytes + 32 * (limits.maxProofHashes + 1))
    most.set([6, 0, 0, 0, 0, 0, 0, limits.maxProofHashes + 1])
    expect(refusal(most)).toBe("Piece: a proof of 21 hashes is longer than 20")
    most[7] = limits.maxProofHashes
    expect(decodeMessage(most.subarray(0, most.length - 32)).tag).toBe("Piece")
    expect(refusal(most.subarray(0, most.length - 33))).toBe(
      "Piece: a frame of 647 bytes has the wrong length"
    )
  })

  test("cover a piece number that no blob has", () => {
    for (const tag of ["Request", "Cancel"] as const) {
      expect(refusal(withByte({ tag, channel: 0, piece: 0 }, 4, 0x10))).toBe(
        `${tag}: piece ${limits.maxPieces} is not below ${limits.maxPieces}`
      )
    }
    const reject: Message = { tag: "Reject", channel: 0, piece: 0, reason: "busy", retryAfter: 0 }
    expect(refusal(withByte(reject, 4, 0x10))).toContain("Reject: piece")
    const nothing = new Uint8Array(0)
    const sent: Message = { tag: "Piece", channel: 0, piece: 0, proof: nothing, payload: nothing }
    expect(refusal(withByte(sent, 4, 0x10))).toContain("Piece: piece")
    expect(refusal(withByte({ tag: "Have", channel: 0, pieces: [0] }, 6, 0x10))).toContain("is not below")
  })
})

describe("encoding", () => {
  test("throws for what this host must not send", () => {
    const nothing = new Uint8Array(0)
    const tooMany = new Array<number>(limits.maxPiecesPerMessage + 1).fill(0)
    const wrong: readonly Message[] = [
      { tag: "Have", channel: 0, pieces: tooMany },
      { tag: "Suggest", channel: 0, pieces: tooMany },
      { tag: "Request", channel: 65_536, piece: 0 },
      { tag: "Request", channel: -1, piece: 0 },
      { tag: "Request", channel: 0, piece: limits.maxPieces },
      { tag: "Request", channel: 0, piece: 0.5 },
      { tag: "Reject", channel: 0, piece: 0, reason: "busy", retryAfter: 0.5 },
      { tag: "Reject", channel: 0, piece: 0, reason: "busy", retryAfter: 2 ** 32 },
      { tag: "Piece", channel: 0, piece: 0, proof: nothing, payload: { byteLength: 3 } },
      {
        tag: "Piece",
        channel: 0,
        piece: 0,
        proof: { byteLength: 0, subarray: () => nothing },
        payload: nothing
      },
      { tag: "Piece", channel: 0, piece: 0, proof: new Uint8Array(31), payload: nothing },
      { tag: "Piece", channel: 0, piece: 0, proof: new Uint8Array(21 * 32), payload: nothing }
    ]
    for (const message of wrong) expect(() => encodeMessage(message)).toThrow("codec:")
  })
})
