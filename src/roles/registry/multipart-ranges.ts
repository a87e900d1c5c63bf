// Body of several ranges (RFC 9110, section 14.6, multipart/byteranges): a header before each range, in the order of
// the request, and a length that is known before the first byte is read.
//
// Invariant: the boundary occurs in no part, because it is the digest of the blob, which the blob cannot contain.

import { Stream } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { type BlobSelection, type ByteRange, formatContentRange } from "../oci/byte-range.ts"

/** The bytes of all ranges from a source of single ranges; a range is read when the one before it ended. */
export const readEach = <E>(
  { ranges }: BlobSelection,
  read: (start: number, end: number) => Stream.Stream<Uint8Array, E>
): Stream.Stream<Uint8Array, E> => {
  const [only] = ranges
  return ranges.length === 1 && only !== undefined
    ? read(only.start, only.end)
    : Stream.flatMap(Stream.fromIterable(ranges), ({ start, end }) => read(start, end))
}

/** Characters of a boundary; RFC 2046 allows 70. */
const boundaryLength = 64

export interface MultipartRanges {
  readonly contentType: string
  /** Bytes of the whole body, headers included. */
  readonly contentLength: number
  /** Makes the body from the bytes of all ranges in order. */
  readonly frame: <E>(bytes: Stream.Stream<Uint8Array, E>) => Stream.Stream<Uint8Array, E>
}

export const multipartRanges = (
  digest: Digest,
  length: number,
  ranges: ReadonlyArray<ByteRange>
): MultipartRanges => {
  const boundary = digest.slice(digest.indexOf(":") + 1).slice(0, boundaryLength)
  const encode = (text: string) => new TextEncoder().encode(text)
  const parts = ranges.map(({ start, end }, index) => ({
    bytes: end - start,
    header: encode(
      `${index === 0 ? "" : "\r\n"}--${boundary}\r\ncontent-type: application/octet-stream\r\n` +
        `content-range: ${formatContentRange(start, end, length)}\r\n\r\n`
    )
  }))
  const close = encode(`\r\n--${boundary}--\r\n`)
  const contentLength = parts.reduce(
    (total, { header, bytes }) => total + header.byteLength + bytes,
    close.byteLength
  )

  const frame = <E>(bytes: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E> =>
    Stream.suspend(() => {
      let begun = 0
      let left = 0
      /** Inserts the headers; a chunk may end one range and begin the next. */
      const framed = (chunk: Uint8Array): ReadonlyArray<Uint8Array> => {
        const out: Uint8Array[] = []
        for (let at = 0; at < chunk.byteLength; ) {
          if (left === 0) {
            const part = parts[begun++]
            invariant(part !== undefined, "multipart: more bytes than the ranges have")
            left = part.bytes
            out.push(part.header)
          }
          const taken = chunk.subarray(at, at + left)
          out.push(taken)
          at += taken.byteLength
          left -= taken.byteLength
        }
        return out
      }
      return Stream.concat(
        Stream.flatMap(bytes, (chunk) => Stream.fromIterable(framed(chunk))),
        Stream.succeed(close)
      )
    })

  return { contentType: `multipart/byteranges; boundary=${boundary}`, contentLength, frame }
}
