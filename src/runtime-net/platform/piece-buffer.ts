// Memory for the bytes of pieces, used again and again: a piece of 256 KiB that is made for each read costs page faults
// and garbage collections, which together are a third of what a download costs.
//
//   taken (1 holder) --hold--> more holders --release by each--> free --take--> taken
//
// Invariants: nobody writes into bytes that somebody else holds. Who passes a payload on passes its hold on; who keeps
// one beside that holds it. A holder that never releases costs nothing but the memory's reuse: it becomes garbage. Any
// other bytes may be held and released as well, without effect. Free memory is bounded, and is given back once nobody
// has taken any for a while.

import { invariant } from "../../protocol/kit/invariant.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { limits } from "../../protocol/limits.ts"
import { maxPieceHeaderBytes } from "../../protocol/wire/codec.ts"

const KiB = 1024
const MiB = 1024 * KiB

/** Limits of the memory that all hosts of a process share, so that no single one sets them. */
export const pieceMemory = {
  /** Bytes of the shortest piece whose memory is used again. Shorter ones are the ends of blobs and cost little. */
  minPooled: 64 * KiB,
  /**
   * Bytes of free memory that are kept for the next pieces: what comes in and goes out at once (five pieces each way)
   * of pieces of 1 MiB, and one of the longest pieces. Longer ones are then mostly made anew, which costs them less.
   */
  maxFree: 16 * MiB,
  /** Time without any piece after which that memory is given back, at most twice as long. */
  keptFor: seconds(5)
}

invariant(
  limits.maxPieceLength <= pieceMemory.maxFree,
  "memory of the longest piece would never be used again"
)

interface Slot {
  readonly bytes: Uint8Array
  /** Bytes of the longest piece that it is for: a power of two. */
  readonly size: number
  holders: number
}

const slots = new WeakMap<ArrayBufferLike, Slot>()
const free = new Map<number, Slot[]>()
let freeBytes = 0
let givingBack: NodeJS.Timeout | undefined
let wasTaken = false

const uninitialised = (length: number): Uint8Array => new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)

/**
 * Uninitialised memory for a Piece message: its header, the longest proof and `length` bytes of payload. The caller
 * holds it.
 */
export const takeFrame = (length: number): Uint8Array => {
  if (length < pieceMemory.minPooled) return uninitialised(maxPieceHeaderBytes + length)
  const size = 2 ** Math.ceil(Math.log2(length))
  wasTaken = true
  const known = free.get(size)?.pop()
  if (known !== undefined) {
    freeBytes -= size
    known.holders = 1
    return known.bytes
  }
  const bytes = uninitialised(maxPieceHeaderBytes + size)
  slots.set(bytes.buffer, { bytes, size, holders: 1 })
  return bytes
}

/** An uninitialised payload of `length` bytes. The caller holds it. */
export const takePayload = (length: number): Uint8Array => takeFrame(length).subarray(0, length)

/** One more holder of the memory of `bytes`. */
export const holdBytes = (bytes: Uint8Array): void => {
  const slot = slots.get(bytes.buffer)
  if (slot !== undefined) slot.holders++
}

/** One holder less. The caller must not use `bytes` any more. */
export const releaseBytes = (bytes: Uint8Array): void => {
  const slot = slots.get(bytes.buffer)
  if (slot === undefined) return
  invariant(slot.holders > 0, "piece buffer: released more often than held")
  slot.holders--
  if (slot.holders > 0 || freeBytes + slot.size > pieceMemory.maxFree) return
  const same = free.get(slot.size)
  if (same === undefined) free.set(slot.size, [slot])
  else same.push(slot)
  freeBytes += slot.size
  if (givingBack === undefined) giveBackLater()
}

const giveBackLater = (): void => {
  givingBack = setTimeout(giveBack, pieceMemory.keptFor / 1000).unref()
}

const giveBack = (): void => {
  givingBack = undefined
  if (wasTaken) {
    wasTaken = false
    giveBackLater()
    return
  }
  free.clear()
  freeBytes = 0
}
