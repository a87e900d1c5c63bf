// Hints of a download over a restart: one bit per piece that was written, in a small file beside the download. The
// pieces that it names are read and hashed again before anyone relies on them. The file therefore needs no sync and may
// lag behind, and a failure to write it costs at most these pieces.

import type { Bitfield } from "../../protocol/kit/bitfield.ts"
import type { Disk } from "./disk.ts"

export interface PieceHints {
  /** Writes `have` down after it has grown, one write at a time. */
  readonly changed: () => void
}

/** Keeps the hints of `have` in the open `file`. `began` and `ended` surround every write. */
export const keepPieceHints = (
  disk: Disk,
  file: number,
  have: Bitfield,
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
    disk.write(file, [have.toBytes()], 0, (error) => {
      writing = false
      if (dirty && error === null) changed()
      ended()
    })
  }
  return { changed }
}
