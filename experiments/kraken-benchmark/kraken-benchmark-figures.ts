// The kept part of the run of a contender in Kraken's test, and the parts of its time: until the first piece of a host,
// while its pieces come, after the last one. Pure functions of the outcome of a flash crowd; all are plain data.

import type { CellOutcome } from "../engine/experiment.ts"
import { boundOf } from "../flash-crowd/crowd-bound.ts"
import type { CrowdOutcome, FlashCrowd } from "../flash-crowd/flash-crowd.ts"
import type { CrowdLinkUse } from "../flash-crowd/link-use.ts"
import { ascending, quantile } from "../report/quantiles.ts"
import { type Times, timesAgainst } from "../report/result.ts"
import type { KrakenTestOptions } from "./kraken-benchmark-contenders.ts"

/** Parts of the time of hosts in seconds; quantiles over hosts. */
export interface TimeParts {
  readonly firstPieceP50: number
  readonly lastPieceP50: number
  readonly lastPieceMax: number
  /** From a host's last piece until it was done: the rest of the whole digest, and the commit. */
  readonly afterLastP50: number
  readonly afterLastMax: number
}

export interface ContenderOutcome extends CellOutcome {
  readonly image: Times
  /** The times of all blobs together, each against the bound of one blob alone. */
  readonly blob: Times
  /** Seconds after which evenly spread shares of the hosts were done, the first host first. */
  readonly curve: ReadonlyArray<readonly [seconds: number, share: number]>
  /** Copies of the image that origins had sent when every piece was stored by at least one agent. */
  readonly copiesUntilOutside: number
  /** Copies of the image that agents received from origins in all. */
  readonly copiesFromOrigins: number
  /** Share of the piece bytes received by agents that came from origins. */
  readonly originShare: number
  /** Refused requests per stored piece; absent when the strategy refuses none. */
  readonly rejectsPerPiece?: number
  readonly duplicatesPerPiece?: number
  readonly linkUse: CrowdLinkUse
  /** Absent when the strategy does not record them. */
  readonly parts?: TimeParts
}

/** The most points of a curve: enough for its shape, and for a small report. */
const curvePoints = 100

const seconds = (micros: number): number => micros / 1e6

const curveOf = (sorted: ReadonlyArray<number>): ContenderOutcome["curve"] => {
  const points = Math.min(curvePoints, sorted.length)
  const shown = new Set(
    Array.from({ length: points }, (_, point) =>
      points === 1 ? 0 : Math.round((point * (sorted.length - 1)) / (points - 1))
    )
  )
  return sorted.flatMap((seconds, index) =>
    shown.has(index) ? [[seconds, (index + 1) / sorted.length] as const] : []
  )
}

const partsOf = ({ completions, firstPieces, lastPieces }: CrowdOutcome): TimeParts | undefined => {
  if (firstPieces === undefined || lastPieces === undefined) return undefined
  const [firsts, lasts] = [ascending(firstPieces), ascending(lastPieces)]
  const afterwards = ascending(completions.map((at, agent) => at - (lastPieces[agent] ?? 0)))
  return {
    firstPieceP50: seconds(quantile(firsts, 500)),
    lastPieceP50: seconds(quantile(lasts, 500)),
    lastPieceMax: seconds(quantile(lasts, 1000)),
    afterLastP50: seconds(quantile(afterwards, 500)),
    afterLastMax: seconds(quantile(afterwards, 1000))
  }
}

/** Share of its downlink that the median host used between its first piece and its last. */
export const linkUseOf = (
  { blobs, size, piece, rate }: Pick<KrakenTestOptions, "blobs" | "size" | "piece" | "rate">,
  parts: Pick<TimeParts, "firstPieceP50" | "lastPieceP50">
): number => (blobs * size - piece) / rate / (parts.lastPieceP50 - parts.firstPieceP50)

/** A flash crowd whose blobs are equally long. */
export const outcomeOf = (spec: FlashCrowd, outcome: CrowdOutcome): ContenderOutcome => {
  const image = spec.blobs.reduce((bytes, { length }) => bytes + length, 0)
  const completions = ascending(outcome.completions.map(seconds))
  const { rejects_received: rejects, duplicate_pieces: duplicates } = outcome.counts
  const parts = partsOf(outcome)
  return {
    traceHash: outcome.traceHash,
    events: outcome.events,
    image: timesAgainst(boundOf(spec).seconds, completions),
    blob: timesAgainst(
      boundOf({ ...spec, blobs: [spec.blobs[0]] }).seconds,
      outcome.blobCompletions.flatMap((blob) => blob.map(seconds))
    ),
    curve: curveOf(completions),
    copiesUntilOutside: outcome.allOutside.sentByOrigins / image,
    copiesFromOrigins: outcome.bytesFromOrigins / image,
    originShare: outcome.bytesFromOrigins / (outcome.bytesFromOrigins + outcome.bytesFromAgents),
    linkUse: outcome.linkUse,
    ...(rejects === undefined ? {} : { rejectsPerPiece: rejects / outcome.pieceTransfers }),
    ...(duplicates === undefined ? {} : { duplicatesPerPiece: duplicates / outcome.pieceTransfers }),
    ...(parts === undefined ? {} : { parts })
  }
}
