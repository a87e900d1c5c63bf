// Piece reader of one response: reads byte ranges from an open swarm, one after another. It awaits, loads and slices
// each piece, and declares to the swarm which pieces it reads next. For a blob that is wanted whole these pieces come
// first; for ranges nothing else is fetched, so a reader that hangs up leaves little in flight
// (`rangeAheadPieces` is the bound).
//
// Invariants: no piece beyond the ranges and the bound is requested. A piece is loaded once for all consecutive
// ranges in it, and its memory is given back when another one is asked for and the last chunk of it is known to have
// left: a short one may still wait in the buffer of the client's socket. When a blob is read from end to end, its last
// piece waits until the whole digest is checked, so that the response can still be aborted. It knows no HTTP and no
// peer.

import { Effect, Stream } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import type { ReaderWindow } from "../../protocol/swarm/piece-selection.ts"
import type { BlobSelection } from "../oci/byte-range.ts"
import { type OpenSwarm, SwarmBroken } from "../peer/open-swarm.ts"
import type { AgentLimits } from "./limits.ts"

/** Reader windows that one response uses; ranges far apart have a window each. */
export const windowsOfReader = ({ rangeAheadPieces }: AgentLimits): number => rangeAheadPieces + 1

/**
 * The windows of a selection from byte `offset` of its range `index` on: the piece at that byte and at most `ahead`
 * more pieces that the ranges touch. Adjacent pieces share a window.
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

/**
 * The bytes of a selection's ranges. A chunk must not be used any more when the next one is asked for. This response
 * uses the reader numbers from `reader` on, windowsOfReader of them.
 */
export const readPieces = (
  swarm: OpenSwarm,
  reader: number,
  selection: BlobSelection,
  limits: AgentLimits
): Stream.Stream<Uint8Array, SwarmBroken> => {
  const { pieceLength, length } = swarm.metainfo
  const { ranges, isWhole } = selection
  const [first] = ranges
  const readsAll = ranges.length === 1 && first?.start === 0 && first.end === length
  let told: ReadonlyArray<ReaderWindow> = []
  let loaded: (LoadedPiece & { readonly piece: number }) | undefined
  let taken = 0
  let lastChunk = 0

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
    isWhole ? limits.readAheadPieces - 1 : Math.min(limits.rangeAheadPieces, 1 + taken)

  const bytesOf = (index: number, offset: number): Effect.Effect<Uint8Array, SwarmBroken> =>
    Effect.suspend(() => {
      const piece = Math.floor(offset / pieceLength)
      if (loaded?.piece === piece) return Effect.succeed(loaded.bytes)
      if (lastChunk >= limits.minDrainedChunk) loaded?.release?.()
      loaded = undefined
      if (!swarm.have.isFull) tell(windowsFrom(selection, pieceLength, index, offset, ahead()))
      const checked =
        readsAll && piece === Math.ceil(length / pieceLength) - 1 ? swarm.completed : Effect.void
      return Effect.map(Effect.andThen(checked, loadWhenStored(swarm, piece)), (came) => {
        taken++
        loaded = { ...came, piece }
        return came.bytes
      })
    })

  return Stream.unfold([0, ranges[0]?.start ?? 0] as readonly [number, number], ([index, offset]) => {
    const range = ranges[index]
    if (range === undefined) return Effect.succeed(undefined)
    return Effect.map(bytesOf(index, offset), (bytes) => {
      const from = offset % pieceLength
      const chunk = bytes.subarray(from, Math.min(bytes.byteLength, from + (range.end - offset)))
      lastChunk = chunk.byteLength
      const reached = offset + chunk.byteLength
      return [
        chunk,
        reached < range.end ? [index, reached] : [index + 1, ranges[index + 1]?.start ?? 0]
      ] as const
    })
  }).pipe(Stream.ensuring(Effect.sync(() => tell([]))))
}

interface LoadedPiece {
  readonly bytes: Uint8Array
  readonly release: (() => void) | undefined
}

const loadWhenStored = (swarm: OpenSwarm, piece: number): Effect.Effect<LoadedPiece, SwarmBroken> =>
  Effect.callback((resume) => {
    const cancel = swarm.whenStored(
      piece,
      () =>
        swarm.load(piece, (outcome) => {
          if (outcome.tag === "Failed") {
            resume(Effect.fail(new SwarmBroken({ reason: "storage", message: outcome.error.message })))
            return
          }
          const { payload, release } = outcome
          invariant(payload instanceof Uint8Array, "a symbolic payload has no bytes to serve")
          resume(Effect.succeed({ bytes: payload, release }))
        }),
      (why) => resume(Effect.fail(why))
    )
    return Effect.sync(cancel)
  })
