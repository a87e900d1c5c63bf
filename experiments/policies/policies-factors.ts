// Factors of the experiment policies: one rule of the protocol at a time, with a few values around the shipped one. The
// shipped value is in every factor and is measured once. Plain data.

import { Schema } from "effect"
import { type Micros, milliseconds } from "../../src/protocol/kit/time.ts"
import { limits } from "../../src/protocol/limits.ts"
import { byteSizeText, durationText } from "../engine/option-text.ts"

export interface PolicyOptions {
  readonly agents: number
  readonly origins: number
  readonly trackers: number
  readonly size: number
  readonly piece: number
  readonly rate: number
  readonly latency: Micros
  /** Models of links, the first of which the charts show. */
  readonly links: ReadonlyArray<string>
  readonly factors: ReadonlyArray<string>
  /** Factors of which every pair is varied together. */
  readonly pairs: ReadonlyArray<string>
  readonly confirm: number
  readonly "confirm-agents": number
}

/**
 * The parts of a run that may differ from the shipped ones: parameters of the strategy `shoal`, and the length of
 * pieces.
 */
export interface Setting {
  readonly parameters: Readonly<Record<string, string>>
  /** Bytes. */
  readonly pieceLength: number
}

export interface Value extends Setting {
  /** Name in charts and tables. */
  readonly label: string
  /** Whether every other factor runs with it: the shipped value, or the length of pieces of the options. */
  readonly isBase: boolean
}

export interface Factor {
  /** Lower case with hyphens. */
  readonly name: string
  readonly title: string
  readonly values: ReadonlyArray<Value>
}

const durationOf = Schema.encodeSync(durationText)
const sizeOf = Schema.encodeSync(byteSizeText)

/** The factor whose base is an option, not the shipped value, which is the own choice. */
export const pieceFactor = "piece"

/** So many pieces behind is nobody. */
const never = 1_000_000

/** The values with the shipped one, in ascending order. */
const around = (shipped: number, others: ReadonlyArray<number>): ReadonlyArray<number> =>
  [...new Set([shipped, ...others])].sort((left, right) => left - right)

const allFactors = (piece: number): ReadonlyArray<Factor> => {
  const setting = (parameters: Readonly<Record<string, string>>): Setting => ({
    parameters,
    pieceLength: piece
  })
  /**
   * A factor of whole numbers or durations; the shipped value has no parameters, so that all factors share its runs.
   */
  const numbers = (
    name: string,
    title: string,
    shipped: number,
    others: ReadonlyArray<number>,
    parameters: (value: number) => Readonly<Record<string, string>>,
    label: (value: number) => string = String
  ): Factor => ({
    name,
    title,
    values: around(shipped, others).map((value) => ({
      label: label(value),
      isBase: value === shipped,
      ...setting(value === shipped ? {} : parameters(value))
    }))
  })
  const words = (
    name: string,
    title: string,
    values: ReadonlyArray<readonly [label: string, parameters: Readonly<Record<string, string>>]>
  ): Factor => ({
    name,
    title,
    values: values.map(([label, parameters]) => ({
      label,
      isBase: Object.keys(parameters).length === 0,
      ...setting(parameters)
    }))
  })
  const count = (rule: string) => (value: number) => ({ [rule]: String(value) })
  const duration = (rule: string) => (value: number) => ({ [rule]: `${value}us` })
  const slack = limits.maxNeighbours - limits.targetNeighbours
  return [
    {
      name: pieceFactor,
      title: "Length of a piece",
      values: around(piece, [piece / 2, 2 * piece])
        .filter((length) => Number.isInteger(length) && length <= limits.maxPieceLength)
        .map((pieceLength) => ({
          label: sizeOf(pieceLength),
          isBase: pieceLength === piece,
          parameters: {},
          pieceLength
        }))
    },
    numbers(
      "degree",
      "Neighbours: asked for, accepted",
      limits.targetNeighbours,
      [5, 12, 20],
      (target) => ({ targetNeighbours: String(target), maxNeighbours: String(target + slack) }),
      (target) => `${target}, ${target + slack}`
    ),
    numbers(
      "at-once",
      "Pieces asked for, and sent, at once",
      limits.maxRequestsPerHost,
      [3, 4, 6, 8],
      (value) => ({
        maxRequestsPerSwarm: String(value),
        maxRequestsPerHost: String(value),
        maxUploadQueue: String(value),
        maxUploadsInFlight: String(value)
      })
    ),
    numbers(
      "asked",
      `Pieces asked for at once, of hosts that send ${limits.maxUploadsInFlight}`,
      limits.maxRequestsPerHost,
      [4, 6, 8],
      (value) => ({ maxRequestsPerSwarm: String(value), maxRequestsPerHost: String(value) })
    ),
    numbers(
      "neighbour",
      "Requests to one neighbour",
      limits.maxRequestsPerNeighbour,
      [1, 3],
      count("maxRequestsPerNeighbour")
    ),
    numbers(
      "at-first",
      "Pieces asked for at once by a host that has none",
      limits.requestsAtFirst,
      [2, 5],
      count("requestsAtFirst")
    ),
    numbers(
      "queue",
      "Pieces queued before Reject",
      limits.maxUploadQueue,
      [6, 8, 12],
      count("maxUploadQueue")
    ),
    numbers(
      "behind",
      "Pieces by which a host is behind when it gets a place beyond the queue",
      limits.piecesBehind,
      [1, 16, never],
      count("piecesBehind"),
      (value) => (value === never ? "no such place" : String(value))
    ),
    numbers(
      "backoff",
      "Least time between a Reject and the next request",
      limits.minRejectBackoff,
      [milliseconds(4), milliseconds(16)],
      duration("minRejectBackoff"),
      durationOf
    ),
    words("selection", "Piece to ask for", [
      ["rarest", {}],
      ["random", { pieceChoice: "random" }],
      ["windowed", { pieceChoice: "windowed" }],
      ["in order", { pieceChoice: "in-order" }]
    ]),
    numbers(
      "tail",
      "Fetched in order at the end",
      100 * limits.orderedTail,
      [0, 10, 50],
      count("orderedTail"),
      (value) => `${value} %`
    ),
    numbers(
      "have",
      "Wait of Have messages, beside that for the length of a piece",
      limits.haveBatchDelay,
      [0, milliseconds(20), milliseconds(80)],
      duration("haveBatchDelay"),
      durationOf
    ),
    numbers(
      "held",
      "Delays for which Have messages to a host with plenty to ask for wait",
      limits.haveHoldPatience,
      [limits.haveBatchPatience, 4 * limits.haveHoldPatience],
      count("haveHoldPatience")
    ),
    words("endgame", "Endgame: pieces missing, copies", [
      ["none", { endgamePieces: "0" }],
      [`${limits.endgamePieces}, ${limits.maxEndgameCopies}`, {}],
      [
        `${4 * limits.endgamePieces}, ${limits.maxEndgameCopies}`,
        { endgamePieces: String(4 * limits.endgamePieces) }
      ],
      [
        `${limits.endgamePieces}, ${limits.maxEndgameCopies + 2}`,
        { maxEndgameCopies: String(limits.maxEndgameCopies + 2) }
      ]
    ]),
    words("suggest", "Origins suggest pieces", [
      ["yes", {}],
      ["no", { suggest: "off" }]
    ]),
    numbers(
      "newcomer",
      "Neighbours given to a newcomer",
      limits.newcomerNeighbours,
      [1, 5, 8],
      count("newcomerNeighbours")
    ),
    numbers(
      "compared",
      "Peers compared for a place of a hand-out",
      limits.comparedPeers,
      [1, 5],
      count("comparedPeers")
    ),
    numbers(
      "second-announce",
      "Second announce after",
      limits.secondAnnounceDelay,
      [milliseconds(50), milliseconds(500), milliseconds(1500)],
      duration("secondAnnounceDelay"),
      durationOf
    )
  ]
}

/** Names of all factors in the order of the report. */
export const factorNames: ReadonlyArray<string> = allFactors(limits.minPieceLength).map(({ name }) => name)

/** The meaning of each name. */
export const factorMeanings: Readonly<Record<string, string>> = Object.fromEntries(
  allFactors(limits.minPieceLength).map(({ name, title }) => [name, title])
)

/** The factors of the options, in the order of the report. */
export const factorsOf = ({
  factors,
  piece
}: Pick<PolicyOptions, "factors" | "piece">): ReadonlyArray<Factor> =>
  allFactors(piece).filter(({ name }) => factors.includes(name))
