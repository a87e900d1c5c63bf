// The settings that the experiment policies measures, each once: what ships, the values of the factors, and the pairs.
// Plain data.

import type { Micros } from "../../src/protocol/kit/time.ts"
import type { LinkModel } from "../../src/runtime-sim/network/link-model.ts"
import { boundOf } from "../flash-crowd/crowd-bound.ts"
import type { FlashCrowd } from "../flash-crowd/flash-crowd.ts"
import { factorsOf, type PolicyOptions, type Setting } from "./policies-factors.ts"
import { pairsOf } from "./policies-pairs.ts"

/** A setting of the sweep, with the label of the first value that has it. */
export interface Variant extends Setting {
  readonly label: string
}

const settingText = ({ pieceLength, parameters }: Setting): string =>
  JSON.stringify([pieceLength, ...Object.entries(parameters)])

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
  for (const pair of pairsOf(options)) {
    // The values of a pair are measured alone as well, also where their factors are left out.
    const names = pair.label.split(" with ")
    for (const [index, value] of pair.alone.entries()) add(names[index]!, value)
    add(pair.label, pair)
  }
  return [...variants.values()]
}

/** The position of the setting of a value among the variants. */
export const variantIndex = (variants: ReadonlyArray<Variant>, value: Setting): number => {
  const key = settingText(value)
  return variants.findIndex((variant) => settingText(variant) === key)
}

/** The models of links that the experiment knows. */
export const linkModels: ReadonlyArray<string> = ["fair", "queue"] satisfies ReadonlyArray<LinkModel>

/** The most virtual time of a flash crowd: a multiple of its bound, and this in addition. */
const patience = 20
const patienceBeside: Micros = 60_000_000

export const crowdWith = (
  { pieceLength }: Setting,
  options: PolicyOptions,
  links: string,
  agents: number,
  seed: number
): FlashCrowd => {
  const { origins, trackers, size, rate, latency } = options
  const spec: FlashCrowd = {
    seed,
    agents,
    origins,
    trackers,
    blobs: [{ name: "policies", length: size, pieceLength }],
    links: { model: links === "queue" ? "queue" : "fair", rate, burst: 0, latency },
    patience: 0
  }
  return { ...spec, patience: Math.ceil(boundOf(spec).seconds * 1e6 * patience) + patienceBeside }
}
