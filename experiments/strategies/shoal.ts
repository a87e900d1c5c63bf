// The strategy `shoal`: the shipped roles and protocol with the shipped rules. Its parameters replace single rules of
// peers and trackers; src/protocol/limits.ts explains each.

import { Effect } from "effect"
import { limits } from "../../src/protocol/limits.ts"
import { pieceChoices } from "../../src/protocol/swarm/piece-selection.ts"
import { choiceText, countText, durationText, type OptionCodec } from "../engine/option-text.ts"
import { runFlashCrowd } from "../flash-crowd/crowd-run.ts"
import { defineStrategy, type Parameter, parameter, StrategyFailed } from "./strategy.ts"

const name = "shoal"

/** A rule of limits.ts, with the shipped value as its default. */
const shipped = (
  rule:
    | "targetNeighbours"
    | "newcomerNeighbours"
    | "maxNeighbours"
    | "maxRequestsPerSwarm"
    | "maxRequestsPerHost"
    | "maxRequestsPerNeighbour"
    | "requestsAtFirst"
    | "piecesBehind"
    | "maxUploadQueue"
    | "maxUploadsInFlight"
    | "haveBatchDelay"
    | "haveBatchDelayPerMiB"
    | "haveHoldPatience"
    | "minRejectBackoff"
    | "comparedPeers"
    | "secondAnnounceDelay"
    | "endgamePieces"
    | "maxEndgameCopies",
  codec: OptionCodec<number>,
  meaning: string
): Parameter<number> =>
  parameter(codec, codec === durationText ? `${limits[rule]}us` : String(limits[rule]), meaning)

export const shoal = defineStrategy({
  name,
  parameters: {
    targetNeighbours: shipped(
      "targetNeighbours",
      countText(1, 64),
      "Neighbours of a blob that a peer asks for."
    ),
    newcomerNeighbours: shipped(
      "newcomerNeighbours",
      countText(1, 64),
      "Neighbours of a blob that a tracker gives to a newcomer."
    ),
    maxNeighbours: shipped("maxNeighbours", countText(1, 256), "Neighbours of a blob that a peer accepts."),
    maxRequestsPerSwarm: shipped("maxRequestsPerSwarm", countText(1, 256), "Outstanding requests per blob."),
    maxRequestsPerHost: shipped("maxRequestsPerHost", countText(1, 256), "Outstanding requests of a host."),
    maxRequestsPerNeighbour: shipped(
      "maxRequestsPerNeighbour",
      countText(1, 64),
      "Outstanding requests per blob and neighbour."
    ),
    requestsAtFirst: shipped(
      "requestsAtFirst",
      countText(1, 256),
      "Outstanding requests of a blob of which a peer has no piece; each piece allows one more."
    ),
    piecesBehind: shipped(
      "piecesBehind",
      countText(0, 1_000_000),
      "Pieces by which a neighbour is behind others when it gets a place beyond the queue."
    ),
    maxUploadQueue: shipped(
      "maxUploadQueue",
      countText(1, 64),
      "Queued pieces with which an uploader rejects."
    ),
    maxUploadsInFlight: shipped("maxUploadsInFlight", countText(1, 64), "Pieces that are sent at once."),
    haveBatchDelay: shipped("haveBatchDelay", durationText, "Time that Have messages wait for more pieces."),
    haveBatchDelayPerMiB: shipped(
      "haveBatchDelayPerMiB",
      durationText,
      "Additional time for each MiB of a piece."
    ),
    haveHoldPatience: shipped(
      "haveHoldPatience",
      countText(1, 1_000),
      "Delays for which Have messages wait for a neighbour that can request plenty of pieces."
    ),
    minRejectBackoff: shipped(
      "minRejectBackoff",
      durationText,
      "The least time for which a neighbour that rejected is not asked."
    ),
    comparedPeers: shipped(
      "comparedPeers",
      countText(1, 64),
      "Peers that a tracker compares for a place of a hand-out."
    ),
    secondAnnounceDelay: shipped(
      "secondAnnounceDelay",
      durationText,
      "Time from the first announce of a download to the second, reduced by up to half at random."
    ),
    pieceChoice: parameter(
      choiceText(pieceChoices),
      "rarest",
      "Piece that is requested where nothing else decides; windowed is the rarest of the first missing ones."
    ),
    orderedTail: parameter(
      countText(0, 100),
      String(100 * limits.orderedTail),
      "Percent of the pieces that are fetched in order at the end."
    ),
    suggest: parameter(choiceText(["on", "off"]), "on", "Whether origins suggest pieces."),
    endgamePieces: shipped(
      "endgamePieces",
      countText(0, 1_000),
      "Number of missing pieces from which on a late one is requested from another peer."
    ),
    maxEndgameCopies: shipped(
      "maxEndgameCopies",
      countText(1, 16),
      "Requests of one piece at the same time then, with the first."
    )
  },
  refuse: (spec, { targetNeighbours, maxNeighbours, maxUploadQueue, maxUploadsInFlight }) => {
    if (spec.links.originRate !== undefined || spec.links.line !== undefined || spec.spread !== undefined) {
      return "its clusters have equal links, and ask all agents at once"
    }
    if (targetNeighbours > maxNeighbours) {
      return `a target of ${targetNeighbours} neighbours is above the ${maxNeighbours} that a peer accepts`
    }
    if (maxUploadQueue < maxUploadsInFlight) {
      return `a queue of ${maxUploadQueue} is shorter than the ${maxUploadsInFlight} pieces that are sent at once`
    }
    const long = spec.blobs.find(({ pieceLength }) => pieceLength > limits.maxPieceLength)
    return long === undefined
      ? undefined
      : `pieces of ${long.name} have ${long.pieceLength} bytes, more than the ${limits.maxPieceLength} of the longest allowed piece`
  },
  run: (spec, { orderedTail, suggest, ...rest }, progress) =>
    runFlashCrowd(
      spec,
      { rules: { ...rest, orderedTail: orderedTail / 100, suggest: suggest === "on" } },
      progress
    ).pipe(
      Effect.mapError(({ message }) => new StrategyFailed({ strategy: name, message: `${name}: ${message}` }))
    )
})
