// Decides which bytes a header names: the single `Range` of a download (RFC 9110, section 14) and the
// `Content-Range: a-b` of an upload's chunk (OCI distribution spec, which leaves "bytes" out). Several ranges, other
// units and malformed ranges are ignored, as the RFC allows: the whole is sent.

export type RequestedRange =
  | { readonly tag: "Whole" }
  /** Bytes [start, end). */
  | { readonly tag: "Part"; readonly start: number; readonly end: number }
  | { readonly tag: "Unsatisfiable" }

const rangePattern = /^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i

/** What a `Range` header asks of a representation of `length` bytes. */
export const parseRange = (header: string | undefined, length: number): RequestedRange => {
  if (header === undefined) return { tag: "Whole" }
  const match = rangePattern.exec(header)
  if (match === null) return { tag: "Whole" }
  const [, first, last] = match as unknown as [string, string, string]
  if (first === "") {
    if (last === "") return { tag: "Whole" }
    const suffix = Number(last)
    if (suffix === 0 || length === 0) return { tag: "Unsatisfiable" }
    return { tag: "Part", start: Math.max(0, length - suffix), end: length }
  }
  const start = Number(first)
  const end = last === "" ? length : Math.min(Number(last) + 1, length)
  // "500-0" is malformed by the RFC; the OCI conformance suite wants 416 for it.
  if (start >= length || end <= start) return { tag: "Unsatisfiable" }
  return { tag: "Part", start, end }
}

/** The `Content-Range` of a 206: bytes [start, end) of `length`. */
export const formatContentRange = (start: number, end: number, length: number): string =>
  `bytes ${start}-${end - 1}/${length}`

export interface ChunkRange {
  /** Offset of the chunk's first byte. */
  readonly start: number
  /** Offset after its last byte. */
  readonly end: number
}

const chunkPattern = /^\s*(?:bytes\s+)?(\d+)-(\d+)(?:\/(?:\d+|\*))?\s*$/i

/** The bytes that a chunk of an upload claims to be, or undefined when the header is malformed. */
export const parseChunkRange = (header: string): ChunkRange | undefined => {
  const match = chunkPattern.exec(header)
  if (match === null) return undefined
  const start = Number(match[1])
  const end = Number(match[2]) + 1
  return end > start && Number.isSafeInteger(end) ? { start, end } : undefined
}

/**
 * The `Range` of an upload that holds `size` bytes. An empty upload is "0-0": clients and the conformance suite parse
 * `0-<integer>` even then.
 */
export const formatUploadRange = (size: number): string => `0-${Math.max(0, size - 1)}`
