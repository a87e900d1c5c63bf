// Decides what the strategy `shoal` is: the roles and the protocol that ship, with the rules that ship. Its parameters
// replace single rules of the peers and trackers; src/protocol/limits.ts says what each means.

import { Effect } from "effect"
import { limits } from "../../src/protocol/limits.ts"
import { pieceChoices } from "../../src/protocol/swarm/piece-selection.ts"
import { choiceText, countText, durationText, type OptionCodec } from "../engine/option-text.ts"
import { runFlashCrowd } from "../flash-crowd/crowd-run.ts"
import { defineStrategy, type Parameter, parameter, StrategyFailed } from "./strategy.ts"

const name = "shoal"

/** A rule of limits.ts whose default is the shipped one. */
const shipped = (
  rule:
    | "targetNeighbours"
    | "newcomerNeighbours"
    | "maxNeighbours"
    | "maxRequestsPerSwarm"
    | "maxRequestsPerNeighbour"
    | "maxUploadQueue"
    | "haveBatchDelay"
    | "haveBatchDelayPerMiB"
    | "secondAnnounceDelay"
    | "endgamePieces"
    | "maxEndgameCopies",
  codec: OptionCodec<number>,
  meaning: string
): Parameter<number> =>
  parameter(codec, codec === durationText ? `${limits[rule]}us` : String(limits[rule]), meaning)

export const shoal = defineStrategy({
  name,
  title: "Shoal",
  explanation:
    "What this project ships: agents, origins and trackers as they run on hosts. The tracker hands out peers so that " +
    "degrees stay near a target; origins suggest what they have sent least; an uploader with a full queue answers " +
    "Reject with the time after which to ask again, and the asker turns to another.",
  parameters: {
    targetNeighbours: shipped(
      "targetNeighbours",
      countText(1, 64),
      "Neighbours that a peer asks for, a blob."
    ),
    newcomerNeighbours: shipped(
      "newcomerNeighbours",
      countText(1, 64),
      "Neighbours that a tracker gives a newcomer, a blob."
    ),
    maxNeighbours: shipped("maxNeighbours", countText(1, 256), "Neighbours that a peer accepts, a blob."),
    maxRequestsPerSwarm: shipped("maxRequestsPerSwarm", countText(1, 256), "Requests outstanding, a blob."),
    maxRequestsPerNeighbour: shipped(
      "maxRequestsPerNeighbour",
      countText(1, 64),
      "Requests outstanding to one neighbour, a blob."
    ),
    maxUploadQueue: shipped("maxUploadQueue", countText(1, 64), "Pieces queued before an uploader rejects."),
    haveBatchDelay: shipped("haveBatchDelay", durationText, "Time that Have messages wait for company."),
    haveBatchDelayPerMiB: shipped(
      "haveBatchDelayPerMiB",
      durationText,
      "What is added to it for each MiB of a piece."
    ),
    secondAnnounceDelay: shipped(
      "secondAnnounceDelay",
      durationText,
      "From a download's first announce to its second, shortened by up to half by chance."
    ),
    pieceChoice: parameter(
      choiceText(pieceChoices),
      "rarest",
      "Which piece to ask for where nothing else decides; windowed is the rarest of the first missing ones."
    ),
    orderedTail: parameter(
      countText(0, 100),
      String(100 * limits.orderedTail),
      "Percent of the pieces that are fetched in order at the end."
    ),
    suggest: parameter(choiceText(["on", "off"]), "on", "Whether origins suggest what to ask them for."),
    endgamePieces: shipped(
      "endgamePieces",
      countText(0, 1_000),
      "Pieces missing from which on a late one is asked of another."
    ),
    maxEndgameCopies: shipped(
      "maxEndgameCopies",
      countText(1, 16),
      "Requests of one piece under way then, the first included."
    )
  },
  refuse: (spec, { targetNeighbours, maxNeighbours, maxUploadQueue }) => {
    if (targetNeighbours > maxNeighbours) {
      return `a target of ${targetNeighbours} neighbours is above the ${maxNeighbours} that a peer accepts`
    }
    if (maxUploadQueue < limits.maxUploadsInFlight) {
      return `a queue of ${maxUploadQueue} is shorter than the ${limits.maxUploadsInFlight} pieces that are sent at once`
    }
    const long = spec.blobs.find(({ pieceLength }) => pieceLength > limits.maxPieceLength)
    return long === undefined
      ? undefined
      : `pieces of ${long.name} have ${long.pieceLength} bytes, more than the ${limits.maxPieceLength} that any may have`
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
