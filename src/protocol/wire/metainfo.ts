// Metainfo of a blob: its digest, its length, its piece length and the root of its hash tree (hash-tree.ts), with their
// canonical bytes. Two origins that agree on these agree on the canonical bytes, and so on the id of the swarm. The
// hashes of the pieces are not part of it: they come with the pieces, each with its proof. It does not know how a hash
// is computed.
//
// A blob that an origin is still receiving has no root yet. Its pieces are proved by signatures (vouched-hashes.ts),
// and the public key of this one arrival stands where the root will stand: other canonical bytes, and so another swarm.
//
// Canonical bytes (big-endian): "SHOALMI2" | u8 digest length | digest as ASCII | u64 length | u32 piece length |
// 32 bytes of the root. Of an arrival: "SHOALAR1", and the key at the end.

import { invariant } from "../kit/invariant.ts"
import { limits } from "../limits.ts"
import { type Digest, parseDigest } from "./digest.ts"
import { hashBytes } from "./hash-tree.ts"
import type { SwarmId } from "./message.ts"

/** A blob that is cut into pieces. */
export interface PiecedBlob {
  readonly digest: Digest
  /** Length of the blob in bytes. A blob of length 0 has no pieces. */
  readonly length: number
  readonly pieceLength: number
}

export interface Metainfo extends PiecedBlob {
  /** The root of the hash tree, 32 bytes. */
  readonly root: Uint8Array
}

/** Stands for metainfo while an origin receives the blob. It is never stored. */
export interface Arrival extends PiecedBlob {
  /** The Ed25519 public key that signs the hashes of the pieces, 32 bytes; made for this arrival alone. */
  readonly key: Uint8Array
}

/** What proves the pieces of a swarm. */
export type SwarmInfo = Metainfo | Arrival

export const isArrival = (info: SwarmInfo): info is Arrival => "key" in info

/** A metainfo and the id of its swarm, the SHA-256 of the canonical bytes. */
export interface Torrent<Info extends SwarmInfo = Metainfo> {
  readonly swarm: SwarmId
  readonly metainfo: Info
}

export interface MetainfoInvalid {
  readonly tag: "MetainfoInvalid"
  readonly reason: string
}

/** Bytes of the canonical bytes of a metainfo, for the length of its digest's text. */
export const metainfoBytes = (digestLength: number): number => 8 + 1 + digestLength + 8 + 4 + hashBytes

/**
 * The piece length for a blob of `length` bytes: the smallest power of two >= length/2048, clamped to
 * [minPieceLength, maxPieceLength]. Where one source feeds all hosts, shorter pieces are there sooner: 300 agents, one
 * origin, 1 GB, 300 MB/s, `fair`, seed 1, p50 / slowest of the bound: 1.22 / 1.23 with 1 MiB, 1.15 / 1.19 with 512 KiB,
 * 1.13 / 1.15 with 256 KiB. Each piece costs about eight messages, so the shortest ones are left to short blobs.
 */
export const choosePieceLength = (length: number): number => {
  let pieceLength = limits.minPieceLength
  while (pieceLength < limits.maxPieceLength && pieceLength * 2048 < length) pieceLength *= 2
  return pieceLength
}

export const pieceCount = (blob: { readonly length: number; readonly pieceLength: number }): number =>
  Math.ceil(blob.length / blob.pieceLength)

/** Bytes of piece `piece`: pieceLength, except for the last piece. */
export const pieceSize = (
  blob: { readonly length: number; readonly pieceLength: number },
  piece: number
): number => Math.min(blob.pieceLength, blob.length - piece * blob.pieceLength)

const magic = new TextEncoder().encode("SHOALMI2")
const arrivalMagic = new TextEncoder().encode("SHOALAR1")

const startsWith = (bytes: Uint8Array, prefix: Uint8Array): boolean =>
  prefix.every((byte, index) => bytes[index] === byte)

/** The canonical bytes, whose hash is the id of the swarm. */
export const encodeMetainfo = (metainfo: SwarmInfo): Uint8Array<ArrayBuffer> => {
  const proved = isArrival(metainfo) ? metainfo.key : metainfo.root
  invariant(proved.length === hashBytes, "metainfo: a root has 32 bytes, and so has a key")
  const digest = new TextEncoder().encode(metainfo.digest)
  const bytes = new Uint8Array(metainfoBytes(digest.length))
  const view = new DataView(bytes.buffer)
  bytes.set(isArrival(metainfo) ? arrivalMagic : magic, 0)
  let at = magic.length
  view.setUint8(at, digest.length)
  bytes.set(digest, at + 1)
  at += 1 + digest.length
  view.setBigUint64(at, BigInt(metainfo.length))
  view.setUint32(at + 8, metainfo.pieceLength)
  bytes.set(proved, at + 12)
  return bytes
}

const invalid = (reason: string): MetainfoInvalid => ({ tag: "MetainfoInvalid", reason })

/** Reads canonical bytes. Any other bytes are refused with a reason; it never throws. */
export const decodeMetainfo = (bytes: Uint8Array): Metainfo | MetainfoInvalid => {
  const decoded = decodeSwarmInfo(bytes)
  return "key" in decoded ? invalid("of a blob that is still arriving") : decoded
}

/** Whether these are the canonical bytes of an arrival, if they are canonical bytes. */
export const isOfArrival = (bytes: Uint8Array): boolean => startsWith(bytes, arrivalMagic)

/** Reads canonical bytes of metainfo or of an arrival. */
export const decodeSwarmInfo = (bytes: Uint8Array): SwarmInfo | MetainfoInvalid => {
  if (bytes.length < magic.length + 1) return invalid("shorter than its header")
  const arrives = isOfArrival(bytes)
  if (!arrives && !startsWith(bytes, magic)) {
    return invalid("not metainfo of version 2: the magic bytes differ")
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const digestLength = view.getUint8(magic.length)
  if (bytes.length !== metainfoBytes(digestLength)) {
    return invalid(`it has ${bytes.length} bytes instead of ${metainfoBytes(digestLength)}`)
  }
  const afterDigest = magic.length + 1 + digestLength
  const digest = parseDigest(new TextDecoder().decode(bytes.subarray(magic.length + 1, afterDigest)))
  // The decoder drops a byte order mark. Without the comparison, two byte strings would stand for one metainfo.
  if (digest === undefined || digest.length !== digestLength) return invalid("its digest is malformed")
  const length = view.getBigUint64(afterDigest)
  if (length > BigInt(Number.MAX_SAFE_INTEGER)) return invalid("its length is not a safe integer")
  const pieceLength = view.getUint32(afterDigest + 8)
  if (pieceLength === 0) return invalid("its piece length is zero")
  if (pieceLength > limits.maxPieceLength) {
    return invalid(`its piece length ${pieceLength} is more than ${limits.maxPieceLength}`)
  }
  // `slice` of a Node Buffer is a view, which would keep the whole message in memory and change with it.
  const proved = new Uint8Array(bytes.subarray(afterDigest + 12))
  const blob = { digest, length: Number(length), pieceLength }
  const pieces = pieceCount(blob)
  if (pieces > limits.maxPieces) return invalid(`it has ${pieces} pieces, more than ${limits.maxPieces}`)
  return arrives ? { ...blob, key: proved } : { ...blob, root: proved }
}
