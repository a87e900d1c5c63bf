// Lower bounds of the time in which hosts can get an image, for protocols that send whole pieces, each from one
// uploader. Every result is compared with them, and a run that beats its bound fails. Nothing here is measured.
//
// Counting bound (for one source: Mundinger, Weber, Weiss, J. Scheduling 11, 2008). A slot is the time of one piece at
// link rate. Hosts that hold a piece at most double in a slot, and at most N pieces arrive in one, so N receivers, S
// sources and M pieces need the smallest T with  sum over t < T of min(N, S * 2^t)  >=  N * M.  With one source this is
// M + floor(log2 N).
//
// Pieces of an image have several lengths. A short piece can run ahead of the others through idle hosts, so it does not
// count as a whole slot: for every length q, the pieces of at least q bytes are counted as if each had q bytes, in
// slots of q at link rate, and the shorter ones as if they cost nothing. The bound is the largest of these.
//
// Blobs of one image may be on different origins. The argument does not depend on the blob of a piece: hosts that hold
// ANY piece at most double, and at most N pieces of ANY blob arrive in a slot. So M is the number of pieces of all
// blobs, and S that of the origins that hold at least one blob. Assuming that each of them holds the whole image only
// adds schedules, so the least time over these is at most the least time over the real ones.
//
// Latency: nothing arrives earlier than one latency after it was sent, so the last arrival is at least the bound
// without latency plus one latency. (Every hop pays it again; the bound does not claim that.)
//
// Burst: a token bucket of B bytes lets a host send, and receive, B more bytes in any interval. Each of the g doublings
// may be faster by B/rate, and the saturated part by B/rate at either end; the last slot may be a part of one: (T - 1)
// slots - (g + 2) B/rate. With a burst of at least a piece, doubling costs nothing, and only the fluid bound holds. The
// bucket of a receiver may be charged only after a piece was received, before the next one is read from that connection
// (runtime-net and runtime-sim do so). A host gains once what it can have ahead of its tokens: one piece per
// connection.
//
// Fluid bound (Kumar and Ross): max(F / d_min, F / u_s, N F / (u_s + sum u)), of bytes without pieces.

import { invariant } from "../../src/protocol/kit/invariant.ts"

/**
 * The smallest number of slots in which all `receivers` can get `pieces`. All are whole numbers, and >= 1 except
 * `pieces`.
 */
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

/** The most pieces that can have arrived after `slot` slots: the sum in the counting bound. */
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

/** Number of slots in which the uploaders double until there are as many as receivers. */
const doublings = (receivers: number, sources: number): number => {
  let slots = 0
  for (let uploaders = sources; uploaders < receivers; uploaders *= 2) slots++
  return slots
}

export interface FluidFlow {
  /** Bytes that each receiver wants. */
  readonly bytes: number
  readonly receivers: number
  /** Bytes per second of the slowest downlink of a receiver. */
  readonly slowestDownlink: number
  /** Bytes per second of the uplinks of all sources together. */
  readonly sourcesUplink: number
  /** Bytes per second of the uplinks of all receivers together. */
  readonly receiversUplink: number
  /** Bytes that the bucket of each host holds. 0 when absent. */
  readonly burst?: number
  /** Bytes that a receiver may have ahead of the tokens of its bucket. 0 when absent. */
  readonly ahead?: number
  readonly sources: number
}

/** The fluid bound in seconds, without latency. */
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
  /** Number of hosts that hold a part of the image at the start. */
  readonly sources: number
  /** Bytes per second, each way, of every host. */
  readonly rate: number
  /** Seconds from one host to another. */
  readonly latency: number
  readonly burst?: number
  readonly ahead?: number
}

/** Bytes of a blob, and of each of its pieces except the last. */
interface PiecedBlob {
  readonly length: number
  readonly pieceLength: number
}

export interface ImageLinks extends AllLinksEqual {
  /** Every receiver wants all of them. */
  readonly blobs: ReadonlyArray<PiecedBlob>
}

export interface EqualLinks extends AllLinksEqual {
  readonly bytes: number
  readonly pieceLength: number
}

/** The distinct lengths of the pieces of an image, each with the number of pieces of at least that length. */
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

/** The least seconds until the last receiver has the image when all start at once on equal links. */
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
  /** Bytes per second of its downlink. */
  readonly downlink: number
  /** Bytes per second of the uplinks of all other hosts together. */
  readonly othersUplink: number
  /** Seconds. */
  readonly latency: number
  /** Bytes of its bucket. */
  readonly burst?: number
  /** Bytes of the buckets of all other hosts together. */
  readonly othersBurst?: number
  /** Bytes that it may have ahead of the tokens of its bucket. */
  readonly ahead?: number
}

/** The least seconds in which this host can have its bytes, whatever the other hosts do. */
export const hostFloor = (host: HostLinks): number =>
  host.bytes === 0
    ? 0
    : host.latency +
      Math.max(
        0,
        (host.bytes - (host.burst ?? 0) - (host.ahead ?? 0)) / host.downlink,
        (host.bytes - (host.othersBurst ?? 0)) / host.othersUplink
      )
