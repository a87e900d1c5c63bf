// Binary form of messages: one message is one frame. Integers are big-endian; the first byte is the tag.
//
//   1 Hello    "SHOAL" | u16 version | 20 peer id | u8 kind | u16 length, address | u16 length, credentials
//   2 Open     u16 channel | 32 swarm | u8 form (0 none, 1 all, 2 bitfield) | bitfield's bytes to the frame's end
//   3 Close    u16 channel | u8 reason
//   4 Have     u16 channel | u16 count | u32 piece, count times
//   5 Request  u16 channel | u32 piece
//   6 Piece    u16 channel | u32 piece | u8 count | 32 uncle, count times | payload to the frame's end
//   7 Reject   u16 channel | u32 piece | u8 reason | u32 retry after, microseconds
//   8 Cancel   u16 channel | u32 piece
//   9 Suggest  as Have
//  10 Bye      u8 reason
//
// Every future version keeps Bye, and Hello up to its version field, so that two hosts of different versions can tell
// each other why they disconnect. Invariants: any bytes decode to one message or to a CodecError; a message has exactly
// one frame, so a frame with an extra byte is refused. This host chooses what it encodes, so a value out of range is a
// broken invariant there. The codec does not know connections, or which channels and pieces exist.

import { invariant } from "../kit/invariant.ts"
import { limits } from "../limits.ts"
import { fromHex, toHex } from "./digest.ts"
import {
  byeCodes,
  byeReasons,
  closeCodes,
  closeReasons,
  helloFixed,
  helloPrefix,
  kindCodes,
  kinds,
  listFixed,
  magic,
  maxChannel,
  openFixed,
  peerIdBytes,
  rejectBytes,
  rejectCodes,
  rejectReasons,
  swarmIdBytes,
  tags
} from "./frame-layout.ts"
import { hashBytes } from "./hash-tree.ts"
import { type ByeReason, type Have, type Message, protocolVersion, type SwarmId } from "./message.ts"
import type { PeerId } from "./peer-id.ts"

/** Why bytes are not a message, and the reason for the Bye that ends their connection. */
export interface CodecError {
  readonly tag: "CodecError"
  readonly reason: string
  readonly bye: ByeReason
}

/** Bytes of a Piece frame before its proof, and before the payload when the proof is the longest one. */
export const pieceHeaderBytes = 8
export const maxPieceHeaderBytes = pieceHeaderBytes + limits.maxProofHashes * hashBytes

/** Length of the message's frame in bytes. It works for any payload, since it does not read the payload's bytes. */
export const encodedLength = (message: Message): number => {
  switch (message.tag) {
    case "Request":
    case "Cancel":
      return 7
    case "Piece":
      return pieceHeaderBytes + message.proof.byteLength + message.payload.byteLength
    case "Reject":
      return rejectBytes
    case "Have":
    case "Suggest":
      return listFixed + 4 * message.pieces.length
    case "Close":
      return 4
    case "Bye":
      return 2
    case "Open":
      return openFixed + (typeof message.have === "string" ? 0 : message.have.length)
    case "Hello":
      return helloFixed + message.address.length + message.credentials.length
  }
}

/**
 * The message's frame, newly allocated. The payload of a Piece must be a Uint8Array and is copied behind the header; a
 * transport that sends two buffers uses writePieceHeader instead.
 */
export const encodeMessage = (message: Message): Uint8Array<ArrayBuffer> => {
  const frame = new Uint8Array(encodedLength(message))
  frame[0] = tags[message.tag]
  switch (message.tag) {
    case "Request":
    case "Cancel":
      writeChannel(frame, 1, message.channel)
      writePiece(frame, 3, message.piece)
      return frame
    case "Reject":
      writeChannel(frame, 1, message.channel)
      writePiece(frame, 3, message.piece)
      frame[7] = rejectCodes[message.reason]
      writeRetryAfter(frame, 8, message.retryAfter)
      return frame
    case "Have":
    case "Suggest":
      writeChannel(frame, 1, message.channel)
      writePieces(frame, 3, message.pieces)
      return frame
    case "Piece": {
      const { payload } = message
      invariant(payload instanceof Uint8Array, "codec: only a payload of bytes can be encoded")
      invariant(payload.length <= limits.maxPieceLength, "codec: a piece is longer than maxPieceLength")
      frame.set(payload, writePieceHeader(frame, 0, message))
      return frame
    }
    case "Close":
      writeChannel(frame, 1, message.channel)
      frame[3] = closeCodes[message.reason]
      return frame
    case "Bye":
      frame[1] = byeCodes[message.reason]
      return frame
    case "Open":
      writeChannel(frame, 1, message.channel)
      invariant(message.swarm.length === 2 * swarmIdBytes, "codec: a swarm id is 64 hex digits")
      frame.set(fromHex(message.swarm), 3)
      writeHave(frame, message.have)
      return frame
    case "Hello":
      writeHello(frame, message)
      return frame
  }
}

/** Writes what stands before the payload of a Piece at `offset`; returns where the payload begins. */
export const writePieceHeader = (
  target: Uint8Array,
  offset: number,
  { channel, piece, proof }: Message & { readonly tag: "Piece" }
): number => {
  invariant(proof instanceof Uint8Array, "codec: only a proof of bytes can be encoded")
  const hashes = proof.length / hashBytes
  invariant(
    Number.isInteger(hashes) && hashes <= limits.maxProofHashes,
    "codec: more hashes than a proof has"
  )
  target[offset] = tags.Piece
  writeChannel(target, offset + 1, channel)
  writePiece(target, offset + 3, piece)
  target[offset + 7] = hashes
  target.set(proof, offset + pieceHeaderBytes)
  return offset + pieceHeaderBytes + proof.length
}

const writeUint32 = (target: Uint8Array, offset: number, value: number): void => {
  target[offset] = value >>> 24
  target[offset + 1] = value >>> 16
  target[offset + 2] = value >>> 8
  target[offset + 3] = value
}

const writeChannel = (target: Uint8Array, offset: number, channel: number): void => {
  invariant((channel & maxChannel) === channel, "codec: a channel is an integer from 0 to 65535")
  target[offset] = channel >>> 8
  target[offset + 1] = channel
}

const writePiece = (target: Uint8Array, offset: number, piece: number): void => {
  invariant(piece >>> 0 === piece && piece < limits.maxPieces, "codec: a piece is an integer below maxPieces")
  writeUint32(target, offset, piece)
}

const writePieces = (target: Uint8Array, offset: number, pieces: readonly number[]): void => {
  invariant(pieces.length <= limits.maxPiecesPerMessage, "codec: more pieces than maxPiecesPerMessage")
  target[offset] = pieces.length >>> 8
  target[offset + 1] = pieces.length
  let at = offset + 2
  for (const piece of pieces) {
    writePiece(target, at, piece)
    at += 4
  }
}

const writeRetryAfter = (target: Uint8Array, offset: number, retryAfter: number): void => {
  invariant(retryAfter >>> 0 === retryAfter, "codec: retryAfter is an integer from 0 to 2^32-1")
  writeUint32(target, offset, retryAfter)
}

const writeHave = (frame: Uint8Array, have: Have): void => {
  if (typeof have === "string") {
    frame[openFixed - 1] = have === "none" ? 0 : 1
    return
  }
  invariant(frame.length <= limits.maxControlFrame, "codec: a bitfield is longer than maxControlFrame")
  frame[openFixed - 1] = 2
  frame.set(have, openFixed)
}

const writeHello = (frame: Uint8Array, hello: Message & { readonly tag: "Hello" }): void => {
  const { address, credentials } = hello
  invariant(hello.version >>> 0 === hello.version && hello.version <= 0xffff, "codec: a version is 16 bits")
  invariant(hello.peerId.length === 2 * peerIdBytes, "codec: a peer id is 40 hex digits")
  invariant(address.length <= limits.maxAddressBytes, "codec: an address is longer than maxAddressBytes")
  invariant(printable.test(address), "codec: an address is printable ASCII without spaces")
  invariant(
    credentials.length <= limits.maxCredentialBytes,
    "codec: credentials longer than maxCredentialBytes"
  )
  frame.set(magic, 1)
  frame[helloPrefix - 2] = hello.version >>> 8
  frame[helloPrefix - 1] = hello.version
  frame.set(fromHex(hello.peerId), helloPrefix)
  let at = helloPrefix + peerIdBytes
  frame[at] = kindCodes[hello.kind]
  frame[at + 1] = address.length >>> 8
  frame[at + 2] = address.length
  at += 3
  for (let index = 0; index < address.length; index++) frame[at + index] = address.charCodeAt(index)
  at += address.length
  frame[at] = credentials.length >>> 8
  frame[at + 1] = credentials.length
  frame.set(credentials, at + 2)
}

const printable = /^[\x21-\x7e]*$/

const refused = (reason: string, bye: ByeReason = "protocol-error"): CodecError => ({
  tag: "CodecError",
  reason,
  bye
})

/**
 * The message of a frame, or why there is none; it never throws. The proof and the payload of a Piece and the bitfield
 * of an Open are views of the frame, so the frame must not change afterwards.
 */
export const decodeMessage = (frame: Uint8Array): Message | CodecError => {
  const length = frame.length
  if (length === 0) return refused("an empty frame")
  const tag = frame[0]!
  if (tag === tags.Piece) return decodePiece(frame)
  if (length > limits.maxControlFrame) {
    return refused(`a frame of ${length} bytes is longer than ${limits.maxControlFrame}`)
  }
  switch (tag) {
    case tags.Request:
    case tags.Cancel: {
      const name = tag === tags.Request ? "Request" : "Cancel"
      if (length !== 7) return wrongLength(name, length)
      const piece = readUint32(frame, 3)
      if (piece >= limits.maxPieces) return noSuchPiece(name, piece)
      return { tag: name, channel: readUint16(frame, 1), piece }
    }
    case tags.Reject:
      return decodeReject(frame)
    case tags.Have:
      return decodeList("Have", frame)
    case tags.Suggest:
      return decodeList("Suggest", frame)
    case tags.Close: {
      if (length !== 4) return wrongLength("Close", length)
      const reason = closeReasons[frame[3]!]
      if (reason === undefined) return refused(`Close: unknown reason ${frame[3]}`)
      return { tag: "Close", channel: readUint16(frame, 1), reason }
    }
    case tags.Bye: {
      if (length !== 2) return wrongLength("Bye", length)
      const reason = byeReasons[frame[1]!]
      if (reason === undefined) return refused(`Bye: unknown reason ${frame[1]}`)
      return { tag: "Bye", reason }
    }
    case tags.Open:
      return decodeOpen(frame)
    case tags.Hello:
      return decodeHello(frame)
    default:
      return refused(`unknown message ${tag}`)
  }
}

const wrongLength = (name: string, length: number): CodecError =>
  refused(`${name}: a frame of ${length} bytes has the wrong length`)

const noSuchPiece = (name: string, piece: number): CodecError =>
  refused(`${name}: piece ${piece} is not below ${limits.maxPieces}`)

const readUint16 = (frame: Uint8Array, offset: number): number => (frame[offset]! << 8) | frame[offset + 1]!

const readUint32 = (frame: Uint8Array, offset: number): number =>
  ((frame[offset]! << 24) | (frame[offset + 1]! << 16) | (frame[offset + 2]! << 8) | frame[offset + 3]!) >>> 0

const decodePiece = (frame: Uint8Array): Message | CodecError => {
  if (frame.length < pieceHeaderBytes) return wrongLength("Piece", frame.length)
  const piece = readUint32(frame, 3)
  if (piece >= limits.maxPieces) return noSuchPiece("Piece", piece)
  const hashes = frame[7]!
  if (hashes > limits.maxProofHashes) {
    return refused(`Piece: a proof of ${hashes} hashes is longer than ${limits.maxProofHashes}`)
  }
  const payloadAt = pieceHeaderBytes + hashes * hashBytes
  if (frame.length < payloadAt) return wrongLength("Piece", frame.length)
  if (frame.length > payloadAt + limits.maxPieceLength) {
    return refused(`Piece: ${frame.length - payloadAt} bytes are more than ${limits.maxPieceLength}`)
  }
  return {
    tag: "Piece",
    channel: readUint16(frame, 1),
    piece,
    proof: frame.subarray(pieceHeaderBytes, payloadAt),
    payload: frame.subarray(payloadAt)
  }
}

const decodeReject = (frame: Uint8Array): Message | CodecError => {
  if (frame.length !== rejectBytes) return wrongLength("Reject", frame.length)
  const piece = readUint32(frame, 3)
  if (piece >= limits.maxPieces) return noSuchPiece("Reject", piece)
  const reason = rejectReasons[frame[7]!]
  if (reason === undefined) return refused(`Reject: unknown reason ${frame[7]}`)
  return { tag: "Reject", channel: readUint16(frame, 1), piece, reason, retryAfter: readUint32(frame, 8) }
}

const decodeList = (tag: "Have" | "Suggest", frame: Uint8Array): Message | CodecError => {
  if (frame.length < listFixed) return wrongLength(tag, frame.length)
  const count = readUint16(frame, 3)
  if (count > limits.maxPiecesPerMessage) {
    return refused(`${tag}: ${count} pieces are more than ${limits.maxPiecesPerMessage}`)
  }
  if (frame.length !== listFixed + 4 * count) return wrongLength(tag, frame.length)
  const pieces: number[] = []
  for (let at = listFixed; at < frame.length; at += 4) {
    const piece = readUint32(frame, at)
    if (piece >= limits.maxPieces) return noSuchPiece(tag, piece)
    pieces.push(piece)
  }
  return { tag, channel: readUint16(frame, 1), pieces }
}

const decodeOpen = (frame: Uint8Array): Message | CodecError => {
  if (frame.length < openFixed) return wrongLength("Open", frame.length)
  const form = frame[openFixed - 1]!
  if (form > 2) return refused(`Open: unknown form ${form} of what the sender has`)
  if (form < 2 && frame.length > openFixed) return wrongLength("Open", frame.length)
  return {
    tag: "Open",
    channel: readUint16(frame, 1),
    swarm: toHex(frame.subarray(3, 3 + swarmIdBytes)) as SwarmId,
    have: form === 0 ? "none" : form === 1 ? "all" : frame.subarray(openFixed)
  }
}

const decodeHello = (frame: Uint8Array): Message | CodecError => {
  if (frame.length < helloPrefix) return wrongLength("Hello", frame.length)
  for (let index = 0; index < magic.length; index++) {
    if (frame[1 + index] !== magic[index]) return refused("Hello: not a Shoal peer, the magic bytes differ")
  }
  const version = readUint16(frame, helloPrefix - 2)
  if (version !== protocolVersion) {
    return refused(`Hello: the peer speaks version ${version}, this host ${protocolVersion}`, "version")
  }
  if (frame.length < helloFixed) return wrongLength("Hello", frame.length)
  const kindAt = helloPrefix + peerIdBytes
  const kind = kinds[frame[kindAt]!]
  if (kind === undefined) return refused(`Hello: unknown kind ${frame[kindAt]}`)
  const addressAt = kindAt + 3
  const addressLength = readUint16(frame, kindAt + 1)
  if (addressLength > limits.maxAddressBytes) {
    return refused(`Hello: an address of ${addressLength} bytes is longer than ${limits.maxAddressBytes}`)
  }
  if (frame.length < helloFixed + addressLength) return wrongLength("Hello", frame.length)
  const credentialsAt = addressAt + addressLength + 2
  const credentialsLength = readUint16(frame, credentialsAt - 2)
  if (credentialsLength > limits.maxCredentialBytes) {
    return refused(`Hello: ${credentialsLength} credential bytes are more than ${limits.maxCredentialBytes}`)
  }
  if (frame.length !== credentialsAt + credentialsLength) return wrongLength("Hello", frame.length)
  const address = String.fromCharCode(...frame.subarray(addressAt, addressAt + addressLength))
  if (!printable.test(address)) return refused("Hello: the address is not printable ASCII")
  return {
    tag: "Hello",
    version,
    peerId: toHex(frame.subarray(helloPrefix, kindAt)) as PeerId,
    kind,
    address,
    credentials: new Uint8Array(frame.subarray(credentialsAt))
  }
}
