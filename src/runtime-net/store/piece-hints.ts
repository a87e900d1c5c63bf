// Hints of a download over a restart, in a small file beside the download: one bit per piece that was written, and the
// verified hashes of the tree. The pieces that it names are read and hashed again before anyone relies on them, and the
// hashes count as far as they lead to the root. The file therefore needs no sync and may lag behind, and a failure to
// write it costs at most these pieces. It is written whole: 64 bytes a piece, at most once at a time.

import { Bitfield } from "../../protocol/kit/bitfield.ts"
import type { VerifiedHashes } from "../../protocol/wire/verified-hashes.ts"
import type { Disk } from "./disk.ts"

export interface PieceHints {
  /** Writes the hints down after they have grown, one write at a time. */
  readonly changed: () => void
}

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
  let writing = false
  let dirty = false
  const changed = (): void => {
    dirty = true
    if (writing) return
    writing = true
    dirty = false
    began()
    disk.write(file, [written().toBytes(), hashes.toBytes()], 0, (error) => {
      writing = false
      if (dirty && error === null) changed()
      ended()
    })
  }
  return { changed }
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
