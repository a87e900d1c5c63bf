// Decides what "as fast as possible" means, so that every result is held against it and a run that beats it is a
// failed run. All bounds are lower bounds for protocols that send whole pieces, each from one uploader. Nothing here is measured.
//
// Counting bound (for one source: Mundinger, Weber, Weiss, J. Scheduling 11, 2008). A slot is the time of one piece at link rate. Hosts that hold a piece
// at most double in a slot, and at most N pieces land in one, so N receivers, S sources and M pieces need the smallest
// T with  sum over t < T of min(N, S * 2^t)  >=  N * M.  With one source this is M + floor(log2 N).
//
// Pieces of an image have several lengths. A short one could run ahead of the others through hosts that still idle, so
// it is not counted as a whole slot: for every length q, the pieces of at least q are counted, each as if it had q bytes,
// in slots of q at link rate, and the shorter ones as if they cost nothing. The bound is the largest of these.
// Blobs of one image may lie on different origins. The argument never asks which blob a piece is of: hosts that hold
// ANY piece at most double, and at most N pieces of ANY blob land in a slot. So M is the pieces of all blobs, and S the
// origins that hold at least one. Granting each of them the whole image only adds schedules, so the least time over
// these is not above the least time over the real ones.
// Latency: nothing lands earlier than one latency after it was sent, so the last landing is at least the bound without
// latency plus one. (Hops of the first wave pay it again; that is not claimed.)
// Burst: a token bucket of B bytes lets a host send, and take, B more in any interval. Each of the g doublings may be
// quicker by B/rate, and the saturated part by B/rate at either end; the last slot may be a part of one:
// (T - 1) slots - (g + 2) B/rate. From a burst of a whole piece on, doubling costs nothing and only the fluid bound holds.
// A receiver's bucket may be asked for tokens only after a piece was taken, before the next is read from that connection
// (runtime-net and runtime-sim do so). What a host can have ahead of its tokens, a piece a connection, it gains once.
//
// Fluid bound (Kumar and Ross): max(F / d_min, F / u_s, N F / (u_s + sum u)), bytes without pieces.

import { invariant } from "../../src/protocol/kit/invariant.ts"

/** The smallest T, in slots, in which `receivers` can all get `pieces` from `sources`. All are whole numbers, >= 1 but pieces. */
export const countingSlots = (receivers: number, sources: number, pieces: number): number => {
  invariant(receivers >= 1 && sources >= 1 && pieces >= 0, "counting bound of nothing")
  const needed = receivers * pieces
  let landed = 0
  let slots = 0
  let uploaders = sources
  while (uploaders < receivers && landed < needed) {
    landed += uploaders
    uploaders *= 2
    slots++
  }
  return landed >= needed ? slots : slots + Math.ceil((needed - landed) / receivers)
}

/** Pieces that can have landed when `slot` slots are over: the sum that the counting bound fills. */
export const landedBySlot = (receivers: number, sources: number, slot: number): number => {
  let landed = 0
  let uploaders = sources
  for (let at = 0; at < slot; at++) {
    if (uploaders >= receivers) return landed + (slot - at) * receivers
    landed += uploaders
    uploaders *= 2
  }
  return landed
}

/** Slots in which the uploaders double before they are as many as the receivers. */
const doublings = (receivers: number, sources: number): number => {
  let slots = 0
  for (let uploaders = sources; uploaders < receivers; uploaders *= 2) slots++
  return slots
}

export interface FluidFlow {
  /** Bytes that every receiver wants. */
  readonly bytes: number
  readonly receivers: number
  /** Bytes a second of the slowest receiver's downlink. */
  readonly slowestDownlink: number
  /** Bytes a second of all sources' uplinks together, and of all receivers' uplinks together. */
  readonly sourcesUplink: number
  readonly receiversUplink: number
  /** Bytes that each host's bucket holds. 0 when absent. */
  readonly burst?: number
  /** Bytes that a receiver may have ahead of its bucket's tokens. 0 when absent. */
  readonly ahead?: number
  readonly sources: number
}

/** Seconds, without latency. */
export const fluidBound = (flow: FluidFlow): number => {
  const { burst = 0, ahead = 0 } = flow
  const hosts = flow.sources + flow.receivers
  return Math.max(
    0,
    (flow.bytes - burst - ahead) / flow.slowestDownlink,
    (flow.bytes - flow.sources * burst) / flow.sourcesUplink,
    (flow.receivers * flow.bytes - hosts * burst) / (flow.sourcesUplink + flow.receiversUplink)
  )
}

interface AllLinksEqual {
  readonly receivers: number
  /** Hosts that hold any of it at the start. */
  readonly sources: number
  /** Bytes a second, each way, of every host. */
  readonly rate: number
  /** Seconds from one host to another. */
  readonly latency: number
  readonly burst?: number
  readonly ahead?: number
}

/** Bytes of a blob, and of every piece of it but the last. */
interface PiecedBlob {
  readonly length: number
  readonly pieceLength: number
}

export interface ImageLinks extends AllLinksEqual {
  /** Every receiver wants all of these. */
  readonly blobs: ReadonlyArray<PiecedBlob>
}

export interface EqualLinks extends AllLinksEqual {
  readonly bytes: number
  readonly pieceLength: number
}

/** Lengths of an image's pieces, each once, and how many pieces are at least so long. */
const piecesByLength = (
  blobs: ReadonlyArray<PiecedBlob>
): ReadonlyArray<readonly [length: number, pieces: number]> => {
  const counts = new Map<number, number>()
  const add = (length: number, pieces: number): void => {
    if (length > 0 && pieces > 0) counts.set(length, (counts.get(length) ?? 0) + pieces)
  }
  for (const { length, pieceLength } of blobs) {
    add(pieceLength, Math.floor(length / pieceLength))
    add(length % pieceLength, 1)
  }
  let longer = 0
  return [...counts]
    .sort(([left], [right]) => right - left)
    .map(([length, pieces]) => {
      longer += pieces
      return [length, longer] as const
    })
}

/** Seconds until the last of the receivers can have the image when all start at once on equal links. */
export const imageBound = (links: ImageLinks): number => {
  const { blobs, receivers, sources, rate, burst = 0, ahead = 0 } = links
  const bytes = blobs.reduce((sum, { length }) => sum + length, 0)
  if (bytes === 0) return 0
  const fluid = fluidBound({
    bytes,
    receivers,
    sources,
    slowestDownlink: rate,
    sourcesUplink: sources * rate,
    receiversUplink: receivers * rate,
    burst,
    ahead
  })
  const counted = piecesByLength(blobs).map(([slotBytes, pieces]) => {
    const slots = countingSlots(receivers, sources, pieces)
    if (burst === 0) return (slots * slotBytes) / rate
    if (burst >= slotBytes) return 0
    return ((slots - 1) * slotBytes - (doublings(receivers, sources) + 2) * burst - ahead) / rate
  })
  return Math.max(fluid, ...counted) + links.latency
}

/** The same for one blob. */
export const makespanBound = (links: EqualLinks): number =>
  imageBound({ ...links, blobs: [{ length: links.bytes, pieceLength: links.pieceLength }] })

export interface HostLinks {
  /** Bytes that the host wants. */
  readonly bytes: number
  /** Bytes a second of its own downlink, and of all others' uplinks together. */
  readonly downlink: number
  readonly othersUplink: number
  /** Seconds. */
  readonly latency: number
  /** Bytes of its own bucket, of all others' buckets together, and what it may have ahead of its own. */
  readonly burst?: number
  readonly othersBurst?: number
  readonly ahead?: number
}

/** Seconds before which this host alone cannot be done, whatever the others do. */
export const hostFloor = (host: HostLinks): number =>
  host.bytes === 0
    ? 0
    : host.latency +
      Math.max(
        0,
        (host.bytes - (host.burst ?? 0) - (host.ahead ?? 0)) / host.downlink,
        (host.bytes - (host.othersBurst ?? 0)) / host.othersUplink
      )
