// Hints of a download over a restart, in a small file beside the download: one bit per piece that was written, and the
// verified hashes of the tree. The pieces that it names are read and hashed again before anyone relies on them, and the
// hashes count as far as they lead to the root. The file therefore needs no sync and may lag behind, and a failure to
// write it costs at most these pieces. It is written whole, 64 bytes a piece, one write at a time, after each 64th part
// of the blob: with 1,024 pieces of 256 KiB it would otherwise be a quarter of what a download writes. A process that
// is killed loses as much; a file that is closed has all.

import { Bitfield } from "../../protocol/kit/bitfield.ts"
import type { VerifiedHashes } from "../../protocol/wire/verified-hashes.ts"
import type { Disk } from "./disk.ts"

export interface PieceHints {
  /** The hints have grown by a piece. */
  readonly changed: () => void
  /** Writes down what is not written yet. */
  readonly flush: () => void
}

/** Parts of a blob after each of which its hints are written. */
const parts = 64

/**
 * Keeps the hints of a download in the open `file`: `written` names its pieces. `began` and `ended` surround every
 * write.
 */
export const keepPieceHints = (
  disk: Disk,
  file: number,
  written: () => Bitfield,
  hashes: VerifiedHashes,
  began: () => void,
  ended: () => void
): PieceHints => {
  const enough = Math.ceil(written().length / parts)
  let writing = false
  /** Pieces since the last write began. */
  let unwritten = 0
  let isFlushed = false
  const write = (): void => {
    if (writing || unwritten === 0) return
    writing = true
    isFlushed = false
    unwritten = 0
    began()
    disk.write(file, [written().toBytes(), hashes.toBytes()], 0, (error) => {
      writing = false
      if (error === null && (isFlushed || unwritten >= enough)) write()
      ended()
    })
  }
  return {
    changed: () => {
      unwritten++
      if (unwritten >= enough) write()
    },
    flush: () => {
      isFlushed = true
      write()
    }
  }
}

/** Puts the hashes that the hints hold into `hashes`, and returns the pieces whose hashes are known then. */
export const readPieceHints = (hints: Uint8Array, pieces: number, hashes: VerifiedHashes): Bitfield => {
  const bits = Math.ceil(pieces / 8)
  const have = Bitfield.fromBytes(hints.subarray(0, bits), pieces)
  if (have === undefined) return new Bitfield(pieces)
  hashes.restore(hints.subarray(bits))
  for (let piece = 0; piece < pieces; piece++) if (have.has(piece) && !hashes.knows(piece)) have.clear(piece)
  return have
}
