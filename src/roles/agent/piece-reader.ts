// Decides how one response reads an open swarm: byte ranges one after another, each piece awaited, loaded and cut, while
// the swarm is told which pieces come next. Of a blob that is wanted whole that is what goes first; of ranges it is all
// that is fetched, so that a reader who hangs up leaves little under way (agentLimits.rangeAheadPieces has the bound).
//
// Invariants: nothing beyond the ranges and the bound is asked for; a piece is loaded once for all ranges in it that
// follow each other; of a blob read from end to end the last piece is held back until the whole digest was checked, so
// that the response can still be aborted. It knows no HTTP and no peer.

import { Effect, Stream } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { agentLimits } from "./limits.ts"
import type { ReaderWindow } from "../../protocol/swarm/piece-selection.ts"
import { type OpenSwarm, SwarmBroken } from "../peer/open-swarm.ts"
import type { BlobSelection } from "../oci/byte-range.ts"

/** Windows of one response that the swarm is told of: ranges far apart have one each. */
export const windowsOfReader = agentLimits.rangeAheadPieces + 1

/**
 * The windows of a selection from byte `offset` of its range `index` on: the piece there and at most `ahead` more that
 * the ranges touch, those that touch each other in one window.
 */
export const windowsFrom = (
  selection: BlobSelection,
  pieceLength: number,
  index: number,
  offset: number,
  ahead: number
): ReadonlyArray<ReaderWindow> => {
  const windows: Array<{ firstPiece: number; endPiece: number }> = []
  let left = 1 + ahead
  let start = offset
  for (let next = index; next < selection.ranges.length && left > 0; next++) {
    const range = selection.ranges[next]!
    if (next > index) start = range.start
    const last = windows.at(-1)
    const firstPiece = Math.floor(start / pieceLength)
    const endPiece = Math.ceil(range.end / pieceLength)
    if (last !== undefined && firstPiece >= last.firstPiece && firstPiece <= last.endPiece) {
      const added = Math.min(Math.max(0, endPiece - last.endPiece), left)
      last.endPiece += added
      left -= added
    } else {
      const taken = Math.min(endPiece - firstPiece, left)
      windows.push({ firstPiece, endPiece: firstPiece + taken })
      left -= taken
    }
  }
  return windows
}

/** The bytes of a selection's ranges. `reader` is the first of windowsOfReader numbers that are this response's. */
export const readPieces = (
  swarm: OpenSwarm,
  reader: number,
  selection: BlobSelection
): Stream.Stream<Uint8Array, SwarmBroken> => {
  const { pieceLength, length } = swarm.metainfo
  const { ranges, isWhole } = selection
  const [first] = ranges
  const readsAll = ranges.length === 1 && first?.start === 0 && first.end === length
  let told: ReadonlyArray<ReaderWindow> = []
  let loaded: { readonly piece: number; readonly bytes: Uint8Array } | undefined
  let taken = 0

  const tell = (windows: ReadonlyArray<ReaderWindow>): void => {
    for (let slot = 0; slot < Math.max(windows.length, told.length); slot++) {
      const window = windows[slot]
      const before = told[slot]
      if (window?.firstPiece === before?.firstPiece && window?.endPiece === before?.endPiece) continue
      swarm.readAhead(reader + slot, window && { first: window.firstPiece, end: window.endPiece })
    }
    told = windows
  }

  const ahead = (): number =>
    isWhole ? agentLimits.readAheadPieces - 1 : Math.min(agentLimits.rangeAheadPieces, 1 + taken)

  const bytesOf = (index: number, offset: number): Effect.Effect<Uint8Array, SwarmBroken> =>
    Effect.suspend(() => {
      const piece = Math.floor(offset / pieceLength)
      if (loaded?.piece === piece) return Effect.succeed(loaded.bytes)
      loaded = undefined
      if (!swarm.have.isFull) tell(windowsFrom(selection, pieceLength, index, offset, ahead()))
      const checked =
        readsAll && piece === Math.ceil(length / pieceLength) - 1 ? swarm.completed : Effect.void
      return Effect.map(Effect.andThen(checked, loadWhenStored(swarm, piece)), (bytes) => {
        taken++
        loaded = { piece, bytes }
        return bytes
      })
    })

  return Stream.unfold([0, ranges[0]?.start ?? 0] as readonly [number, number], ([index, offset]) => {
    const range = ranges[index]
    if (range === undefined) return Effect.succeed(undefined)
    return Effect.map(bytesOf(index, offset), (bytes) => {
      const from = offset % pieceLength
      const chunk = bytes.subarray(from, Math.min(bytes.byteLength, from + (range.end - offset)))
      const reached = offset + chunk.byteLength
      return [
        chunk,
        reached < range.end ? [index, reached] : [index + 1, ranges[index + 1]?.start ?? 0]
      ] as const
    })
  }).pipe(Stream.ensuring(Effect.sync(() => tell([]))))
}

const loadWhenStored = (swarm: OpenSwarm, piece: number): Effect.Effect<Uint8Array, SwarmBroken> =>
  Effect.callback((resume) => {
    const cancel = swarm.whenStored(
      piece,
      () =>
        swarm.load(piece, (outcome) => {
          if (outcome.tag === "Failed") {
            resume(Effect.fail(new SwarmBroken({ reason: "storage", message: outcome.error.message })))
            return
          }
          const { payload } = outcome
          invariant(payload instanceof Uint8Array, "a symbolic payload has no bytes to serve")
          resume(Effect.succeed(payload))
        }),
      (why) => resume(Effect.fail(why))
    )
    return Effect.sync(cancel)
  })
