// Tests of piece hints: one write at a time, and the last one has what was known when the one before it ended.

import { describe, expect, test } from "vitest"
import { Bitfield } from "../../protocol/kit/bitfield.ts"
import { leafBytes } from "../../protocol/wire/hash-tree.ts"
import { VerifiedHashes } from "../../protocol/wire/verified-hashes.ts"
import { sha256 } from "../platform/node-digests.ts"
import type { Disk, DiskDone } from "./disk.ts"
import { keepPieceHints } from "./piece-hints.ts"

/** Hints on a disk whose writes end when the test says so. */
const staged = (pieces = 8) => {
  const have = new Bitfield(pieces)
  const hashes = new VerifiedHashes(
    { length: pieces * leafBytes, pieceLength: leafBytes },
    new Uint8Array(32),
    sha256
  )
  const writes: Array<{ readonly file: number; readonly bytes: ReadonlyArray<number>; readonly at: number }> =
    []
  const open: Array<DiskDone<void>> = []
  const events: string[] = []
  const write: Disk["write"] = (file, chunks, at, done) => {
    writes.push({ file, bytes: [...Buffer.concat(chunks)], at })
    open.push(done)
  }
  const hints = keepPieceHints(
    { write } as Partial<Disk> as Disk,
    7,
    () => have,
    hashes,
    () => events.push("began"),
    () => events.push("ended")
  )
  const store = (piece: number) => {
    have.set(piece)
    hints.changed()
  }
  const end = (error: Error | null = null) => open.shift()!(error)
  return { have, hashes, writes, events, store, end, flush: hints.flush }
}

describe("piece hints", () => {
  test("are written at once, from the beginning of the file", () => {
    const { have, hashes, writes, store } = staged()
    store(1)
    expect(writes).toEqual([{ file: 7, bytes: [...have.toBytes(), ...hashes.toBytes()], at: 0 }])
  })

  test("of pieces that arrive during a write follow in one more write", () => {
    const { have, hashes, writes, events, store, end } = staged()
    for (const piece of [0, 1, 2]) store(piece)
    expect(writes).toHaveLength(1)
    end()
    expect(writes).toHaveLength(2)
    expect(writes[1]!.bytes).toEqual([...have.toBytes(), ...hashes.toBytes()])
    end()
    expect(writes).toHaveLength(2)
    // The next write begins before the one before it counts as ended, so that nobody closes the file in between.
    expect(events).toEqual(["began", "began", "ended", "ended"])
    store(3)
    expect(writes).toHaveLength(3)
  })

  test("are not written again after a failure until another piece arrives", () => {
    const { writes, events, store, end } = staged()
    store(0)
    store(1)
    end(new Error("no room"))
    expect(writes).toHaveLength(1)
    expect(events).toEqual(["began", "ended"])
    store(2)
    expect(writes).toHaveLength(2)
  })

  test("of a long blob are written after each of its 64 parts, and when the file closes", () => {
    const { writes, store, end, flush } = staged(256)
    for (const piece of [0, 1, 2]) store(piece)
    expect(writes).toEqual([])
    store(3)
    expect(writes).toHaveLength(1)
    store(4)
    flush()
    expect(writes).toHaveLength(1)
    end()
    expect(writes).toHaveLength(2)
    expect(writes[1]!.bytes[0]).toBe(0b11111000)
    end()
    flush()
    expect(writes).toHaveLength(2)
    store(5)
    flush()
    expect(writes).toHaveLength(3)
  })
})
