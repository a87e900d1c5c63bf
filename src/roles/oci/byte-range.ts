// Byte ranges of HTTP headers: the `Range` of a download (RFC 9110, section 14, one range or several) and the
// `Content-Range: a-b` of an upload's chunk (OCI distribution spec, without the unit). A header with another unit or
// without a list of ranges is ignored, as the RFC allows, and the whole blob is sent.
//
// Invariants: parts are never empty and never outside the blob. They stay in the order of the request and are never
// joined, because clients count them. There are at most maxRanges parts, and at most maxRangeOverlaps of them
// overlap.

import type { OciLimits } from "./limits.ts"

/** The bytes from `start` to before `end`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** The part of a blob that is read: all of it, or ranges. */
export interface BlobSelection {
  /** The ranges in the order of reading; they may overlap. */
  readonly ranges: ReadonlyArray<ByteRange>
  /** Whether the host wants the whole blob, also beyond the ranges that are read. */
  readonly isWhole: boolean
}

export const wholeOf = (length: number): BlobSelection => ({
  ranges: length === 0 ? [] : [{ start: 0, end: length }],
  isWhole: true
})

export type RequestedRange =
  | { readonly tag: "Whole" }
  /** At least one range, and no more than the header names. */
  | { readonly tag: "Parts"; readonly ranges: ReadonlyArray<ByteRange> }
  | { readonly tag: "Unsatisfiable" }
  /** More ranges than are served at once. */
  | { readonly tag: "TooMany" }

const setPattern = /^\s*bytes\s*=([\d\s,-]*)$/i
const rangePattern = /^\s*(\d*)\s*-\s*(\d*)\s*$/

/** The bytes that a `Range` header selects of a blob of `length` bytes. */
export const parseRange = (
  header: string | undefined,
  length: number,
  { maxRanges, maxRangeOverlaps }: Pick<OciLimits, "maxRanges" | "maxRangeOverlaps">
): RequestedRange => {
  const [, set] = (header === undefined ? null : setPattern.exec(header)) ?? []
  if (set === undefined) return { tag: "Whole" }
  // A list may have empty elements (RFC 9110, 5.6.1).
  const specs = set.split(",").filter((spec) => spec.trim() !== "")
  if (specs.length > maxRanges) return { tag: "TooMany" }
  const ranges: ByteRange[] = []
  for (const spec of specs) {
    const [, first = "", last = ""] = rangePattern.exec(spec) ?? []
    if (first === "" && last === "") return { tag: "Whole" }
    const range = first === "" ? lastBytes(last, length) : bytesFrom(first, last, length)
    if (range !== undefined) ranges.push(range)
  }
  if (specs.length === 0) return { tag: "Whole" }
  if (ranges.length === 0 || overlaps(ranges) > maxRangeOverlaps) return { tag: "Unsatisfiable" }
  return { tag: "Parts", ranges }
}

const lastBytes = (count: string, length: number): ByteRange | undefined => {
  const start = Math.max(0, length - Number(count))
  return start < length ? { start, end: length } : undefined
}

/** "500-0" is malformed in the RFC, but the OCI conformance suite expects 416, so it counts as an empty range. */
const bytesFrom = (first: string, last: string, length: number): ByteRange | undefined => {
  const start = Number(first)
  const end = last === "" ? length : Math.min(Number(last) + 1, length)
  return start < end ? { start, end } : undefined
}

/** How many ranges begin within a range that begins at a lower offset. */
const overlaps = (ranges: ReadonlyArray<ByteRange>): number => {
  let count = 0
  let reached = 0
  for (const { start, end } of [...ranges].sort((one, other) => one.start - other.start)) {
    if (start < reached) count++
    reached = Math.max(reached, end)
  }
  return count
}

/** The `Content-Range` of a part from `start` to before `end`. */
export const formatContentRange = (start: number, end: number, length: number): string =>
  `bytes ${start}-${end - 1}/${length}`

export interface ChunkRange {
  /** Offset of the chunk's first byte. */
  readonly start: number
  /** Offset after its last byte. */
  readonly end: number
}

const chunkPattern = /^\s*(?:bytes\s+)?(\d+)-(\d+)(?:\/(?:\d+|\*))?\s*$/i

/** The bytes that a chunk's header declares, or undefined for a malformed header. */
export const parseChunkRange = (header: string): ChunkRange | undefined => {
  const match = chunkPattern.exec(header)
  if (match === null) return undefined
  const start = Number(match[1])
  const end = Number(match[2]) + 1
  return end > start && Number.isSafeInteger(end) ? { start, end } : undefined
}

/**
 * The `Range` of an upload that holds `size` bytes. It is "0-0" for an empty upload, because clients and the
 * conformance suite always parse `0-<integer>`.
 */
export const formatUploadRange = (size: number): string => `0-${Math.max(0, size - 1)}`
