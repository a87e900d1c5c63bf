// The experiment policies: whether the shipped defaults are the best. One rule at a time gets other values around the
// shipped one, and pairs of rules get them together, on several seeds and on every model of links. The shipped values
// are then confirmed with more hosts, on seeds that no choice was made on. policies-factors.ts has the rules and
// values, policies-pairs.ts the pairs.

import { Effect, Schema } from "effect"
import { type Cell, defineExperiment, ExperimentFailed, type Measured, option } from "../engine/experiment.ts"
import { namingTheChoices } from "../engine/nearest-name.ts"
import { byteRateText, byteSizeText, countText, durationText, namesText } from "../engine/option-text.ts"
import type { Progress } from "../engine/progress.ts"
import { crowdMemory } from "../flash-crowd/crowd-run.ts"
import { shoal } from "../strategies/shoal.ts"
import { answerOf } from "./policies-answer.ts"
import { copiesChart, pairsChart, ratiosChart } from "./policies-charts.ts"
import { factorMeanings, factorNames, factorsOf, type Setting } from "./policies-factors.ts"
import { measuredSweeps, outcomeOf, type PolicyOutcome } from "./policies-figures.ts"
import { pairNames, shippedPairs } from "./policies-pairs.ts"
import { factorTable, pairsTable, rulesTable, runFigures, shippedTable } from "./policies-tables.ts"
import { crowdWith, linkModels, variantsOf } from "./policies-variants.ts"

const name = "policies"

const options = Schema.Struct({
  agents: option(countText(2, 100_000), "120", "Hosts of the sweep, all asked at the same instant."),
  origins: option(countText(1, 64), "5", "Origins; the blob is on at most three of them."),
  trackers: option(countText(1, 16), "5", "Trackers that the agents know."),
  size: option(byteSizeText, "512MB", "Length of the blob."),
  piece: option(byteSizeText, "4MB", "Length of a piece, except where it varies."),
  rate: option(byteRateText, "300MB/s", "Uplink and downlink of every host, each."),
  latency: option(durationText, "0.5ms", "One way, between any two hosts."),
  links: option(
    namesText,
    linkModels.join(","),
    "Models of links, in turn: fair shares as TCP, queue sends frame after frame."
  ),
  factors: option(namesText, factorNames.join(","), "Factors that are varied."),
  pairs: option(namesText, shippedPairs.join(","), "Factors of which every two are varied together."),
  confirm: option(
    countText(0, 100),
    "3",
    "Runs that confirm the shipped values, on the seeds after the last one of the sweep."
  ),
  "confirm-agents": option(countText(2, 100_000), "600", "Hosts of those runs.")
})
type Options = typeof options.Type

interface Input {
  readonly options: Options
  readonly setting: Setting
  readonly links: string
  readonly agents: number
  readonly seed: number
}

const confirmSeeds = ({ confirm }: Options, seeds: ReadonlyArray<number>): ReadonlyArray<number> =>
  Array.from({ length: confirm }, (_, index) => Math.max(...seeds) + 1 + index)

const refuse = (options: Options): string | undefined => {
  const known = { links: linkModels, factors: factorNames, pairs: pairNames }
  for (const key of ["links", "factors", "pairs"] as const) {
    const unknown = options[key].find((wanted) => !known[key].includes(wanted))
    if (unknown !== undefined)
      return `--${key}: unknown name ${unknown}: ${namingTheChoices(unknown, known[key])}`
  }
  for (const variant of variantsOf(options)) {
    const spec = crowdWith(variant, options, "fair", options.agents, 1)
    const refusal = shoal.refusal(spec, variant.parameters)
    if (refusal !== undefined) return `${variant.label}: ${refusal}`
  }
  return undefined
}

const cells = (options: Options, seeds: ReadonlyArray<number>): ReadonlyArray<Cell<Input>> => {
  const cell = (
    label: string,
    setting: Setting,
    links: string,
    agents: number,
    seed: number
  ): Cell<Input> => ({
    label: `${label}, ${links}, seed ${seed}`,
    input: {
      options,
      setting: { parameters: setting.parameters, pieceLength: setting.pieceLength },
      links,
      agents,
      seed
    },
    cost: agents * (options.size / setting.pieceLength),
    memory: crowdMemory(crowdWith(setting, options, links, agents, seed))
  })
  const many = options["confirm-agents"]
  return options.links.flatMap((links) => [
    ...variantsOf(options).flatMap((variant) =>
      seeds.map((seed) => cell(variant.label, variant, links, options.agents, seed))
    ),
    ...confirmSeeds(options, seeds).map((seed) =>
      cell(`as shipped, ${many} hosts`, { parameters: {}, pieceLength: options.piece }, links, many, seed)
    )
  ])
}

const measure = (
  { options, setting, links, agents, seed }: Input,
  progress: Progress
): Effect.Effect<PolicyOutcome, ExperimentFailed> => {
  const spec = crowdWith(setting, options, links, agents, seed)
  return shoal.run(spec, setting.parameters, progress).pipe(
    Effect.map((outcome) => outcomeOf(spec, outcome)),
    Effect.mapError(
      ({ message }) => new ExperimentFailed({ experiment: name, message: `${name}: ${message}` })
    )
  )
}

const conclude = (
  options: Options,
  seeds: ReadonlyArray<number>,
  outcomes: ReadonlyArray<PolicyOutcome>
): Effect.Effect<Measured, ExperimentFailed> =>
  Effect.sync(() => {
    const sweeps = measuredSweeps(options, seeds.length, outcomes)
    const hosts = {
      sweep: `${options.agents} hosts`,
      confirmed: `${options["confirm-agents"]} hosts on ${options.confirm} unseen seeds`
    }
    const [first] = sweeps
    const hasPairs = (first?.pairs ?? []).length > 0
    return {
      bound: "the counting bound of the blob, with one latency; each length of pieces has its own.",
      strategies: Object.fromEntries(
        sweeps.flatMap(({ links, shipped, confirmed }) => [
          [`shoal, ${links}, ${hosts.sweep}, worst seed`, { blob: shipped.worstTimes }],
          ...(confirmed === undefined
            ? []
            : [[`shoal, ${links}, ${hosts.confirmed}, worst`, { blob: confirmed.worstTimes }]])
        ])
      ),
      figures: Object.assign(
        {},
        ...sweeps.map(({ links, shipped, confirmed }) => ({
          ...runFigures(`${links}_shipped`, `links ${links}, ${hosts.sweep}`, shipped),
          ...(confirmed === undefined
            ? {}
            : runFigures(`${links}_confirmed`, `links ${links}, ${hosts.confirmed}`, confirmed))
        }))
      ),
      tables: [
        rulesTable(sweeps),
        ...(hasPairs ? [pairsTable(sweeps)] : []),
        shippedTable(sweeps, hosts),
        ...factorsOf(options).map((_, index) => factorTable(sweeps, index))
      ],
      charts: [
        ...sweeps.map((sweep, index) =>
          ratiosChart(sweep, index === 0 ? "chart" : `chart-${sweep.links}`, options.agents)
        ),
        ...(hasPairs ? sweeps.slice(0, 1).map(pairsChart) : []),
        ...sweeps.slice(0, 1).map(copiesChart)
      ]
    }
  })

export const policies = defineExperiment({
  name,
  title: "Policies",
  question:
    "Which of the swarm's rules matter, which matter together, and is what ships the best on every model of links?",
  options,
  method: [
    "A flash crowd of the shipped programs: one blob, all hosts asked at the same instant. One rule at a time has " +
      "another value, and all others are as shipped. Degree means the neighbours that a peer asks for and those " +
      "that it accepts, varied together. Of five rules that say who is asked for how much, and who is served, every " +
      "two are varied together as well, each with a value on either side of the shipped one. Every setting runs on " +
      "every seed and on both models of links; tables show the median over the seeds and the worst seed.",
    "Settings are compared by their slowest host, in seconds, because shorter pieces have a lower bound, and seed by " +
      "seed. An effect counts when every seed shows it in the same direction and the median is 1 % or more. Two " +
      "values that do not know of each other multiply their effects; what they do beyond that counts from 2 % on. " +
      "Copies are those that origins had sent when every piece was stored by at least one agent.",
    "The shipped values then run with more hosts, on seeds that no choice was made on. To try another value there, " +
      "change limits.ts and run the experiment again: the index marks reports of other code."
  ],
  names: factorMeanings,
  limits: [
    "The worst single value, five neighbours for a newcomer, does not say that more are worse: eight are as good as " +
      "three. Twice five is the maximum of ten that a host accepts, so the places that the tracker knows run out, each " +
      "newcomer gets the hosts that came just before it, and pieces go along a chain. With a maximum of 14 five are as " +
      "good as three, and four with a maximum of 8 are as bad as five (120 hosts, fair, seeds 1 and 2: 1.14 and 1.34 " +
      "of the bound). With eight no places are left at once, and the tracker chooses among all. The answer names " +
      "ranges of values for this reason.",
    "Pairs are tried with two values of each rule, not with all, and three rules together are not tried.",
    "One size of blob, equal links, no failures: adversity and scale have others. Rules of the end of long blobs show " +
      "nothing in 128 pieces.",
    "Five seeds without any effect show the same direction by chance once in sixteen times, so that one or two of the " +
      "values that count may do nothing."
  ],
  quick: {
    agents: "40",
    size: "16MB",
    piece: "500kB",
    rate: "30MB/s",
    pairs: "at-once,at-first,behind",
    confirm: "1",
    "confirm-agents": "80",
    seed: "1"
  },
  seeds: "1-5",
  refuse,
  cells,
  measure,
  conclude,
  answer: answerOf
})
