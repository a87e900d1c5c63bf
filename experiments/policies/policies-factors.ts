// Factors of the experiment policies: one rule of the protocol at a time, with a few values around the shipped one. The
// shipped value is in every factor and is measured once. Plain data.

import { Schema } from "effect"
import { type Micros, milliseconds } from "../../src/protocol/kit/time.ts"
import { limits } from "../../src/protocol/limits.ts"
import { choosePieceLength } from "../../src/protocol/wire/metainfo.ts"
import type { LinkModel } from "../../src/runtime-sim/network/link-model.ts"
import { byteSizeText, durationText } from "../engine/option-text.ts"
import { boundOf } from "../flash-crowd/crowd-bound.ts"
import type { FlashCrowd } from "../flash-crowd/flash-crowd.ts"

export interface PolicyOptions {
  readonly agents: number
  readonly origins: number
  readonly trackers: number
  readonly size: number
  readonly piece: number
  readonly rate: number
  readonly latency: Micros
  readonly links: LinkModel
  readonly factors: ReadonlyArray<string>
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

const settingText = ({ pieceLength, parameters }: Setting): string =>
  JSON.stringify([pieceLength, ...Object.entries(parameters)])

/** The values with the shipped one, in ascending order. */
const around = (shipped: number, others: ReadonlyArray<number>): ReadonlyArray<number> =>
  [...new Set([shipped, ...others])].sort((left, right) => left - right)

const allFactors = ({ size, piece }: PolicyOptions): ReadonlyArray<Factor> => {
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
  const duration = (rule: string) => (value: number) => ({ [rule]: `${value}us` })
  const slack = limits.maxNeighbours - limits.targetNeighbours
  return [
    {
      name: pieceFactor,
      title: "Length of a piece",
      values: around(piece, [choosePieceLength(size), 2 * piece, 4 * piece])
        .filter((pieceLength) => pieceLength <= limits.maxPieceLength)
        .map((pieceLength) => ({
          label:
            pieceLength === choosePieceLength(size)
              ? `${sizeOf(pieceLength)}, own choice`
              : sizeOf(pieceLength),
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
      [3, 4, 6, 8],
      (value) => ({ maxRequestsPerSwarm: String(value), maxRequestsPerHost: String(value) })
    ),
    numbers("neighbour", "Requests to one neighbour", limits.maxRequestsPerNeighbour, [1, 3], (value) => ({
      maxRequestsPerNeighbour: String(value)
    })),
    numbers("queue", "Pieces queued before Reject", limits.maxUploadQueue, [6, 8, 12], (value) => ({
      maxUploadQueue: String(value)
    })),
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
      (value) => ({ orderedTail: String(value) }),
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
    numbers("newcomer", "Neighbours given to a newcomer", limits.newcomerNeighbours, [1, 5, 8], (value) => ({
      newcomerNeighbours: String(value)
    })),
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
export const factorNames: ReadonlyArray<string> = [
  pieceFactor,
  "degree",
  "at-once",
  "asked",
  "neighbour",
  "queue",
  "selection",
  "tail",
  "have",
  "endgame",
  "suggest",
  "newcomer",
  "second-announce"
]

/** The factors of the options, in the order of the report. */
export const factorsOf = (options: PolicyOptions): ReadonlyArray<Factor> =>
  allFactors(options).filter(({ name }) => options.factors.includes(name))

/** A setting of the sweep, with the label of the first value that has it. */
export interface Variant extends Setting {
  readonly label: string
}

/** All settings that are measured, each once, the shipped one first. */
export const variantsOf = (options: PolicyOptions): ReadonlyArray<Variant> => {
  const variants = new Map<string, Variant>()
  const add = (label: string, { parameters, pieceLength }: Setting) => {
    const key = settingText({ parameters, pieceLength })
    if (!variants.has(key)) variants.set(key, { label, parameters, pieceLength })
  }
  add("as shipped", { parameters: {}, pieceLength: options.piece })
  for (const { name, values } of factorsOf(options)) {
    for (const value of values) add(`${name} ${value.label}`, value)
  }
  return [...variants.values()]
}

/** The position of the setting of a value among the variants. */
export const variantIndex = (variants: ReadonlyArray<Variant>, value: Setting): number => {
  const key = settingText(value)
  return variants.findIndex((variant) => settingText(variant) === key)
}

/** The most virtual time of a flash crowd: a multiple of its bound, and this in addition. */
const patience = 20
const patienceBeside: Micros = 60_000_000

export const crowdWith = (
  { pieceLength }: Setting,
  options: PolicyOptions,
  agents: number,
  seed: number
): FlashCrowd => {
  const { origins, trackers, size, rate, latency, links } = options
  const spec: FlashCrowd = {
    seed,
    agents,
    origins,
    trackers,
    blobs: [{ name: "policies", length: size, pieceLength }],
    links: { model: links, rate, burst: 0, latency },
    patience: 0
  }
  return { ...spec, patience: Math.ceil(boundOf(spec).seconds * 1e6 * patience) + patienceBeside }
}
