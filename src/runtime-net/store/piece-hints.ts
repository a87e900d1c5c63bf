// Decides how a download remembers, over a restart, which pieces were written: one bit a piece in a small file beside
// it. It is a hint only: the pieces it names are read and hashed again before anyone relies on them, so it needs no
// sync, may lag behind, and a failure to write it costs at most those pieces again.

import type { Bitfield } from "../../protocol/kit/bitfield.ts"
import type { Disk } from "./disk.ts"

export interface PieceHints {
  /** `have` has grown: writes it down, one write at a time. */
  readonly changed: () => void
}

/** Keeps the hints of `have` in the open file `file`. `began` and `ended` bracket every write. */
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
