// The experiment policies: whether the shipped defaults are the best. One rule at a time gets other values around the
// shipped one, on several seeds. The shipped values are then confirmed with many more hosts, on seeds that no choice
// was made on. policies-factors.ts has the rules and values.

import { Effect, Schema } from "effect"
import { type Cell, defineExperiment, ExperimentFailed, type Measured, option } from "../engine/experiment.ts"
import { namingTheChoices } from "../engine/nearest-name.ts"
import { byteRateText, byteSizeText, countText, durationText, namesText } from "../engine/option-text.ts"
import type { Progress } from "../engine/progress.ts"
import { crowdMemory } from "../flash-crowd/crowd-run.ts"
import { linksOption } from "../flash-crowd/links-option.ts"
import type { Figure, Table } from "../report/result.ts"
import { shoal } from "../strategies/shoal.ts"
import { answerOf, baseMark, slowestColumn } from "./policies-answer.ts"
import { copiesChart, ratiosChart } from "./policies-charts.ts"
import { crowdWith, factorNames, factorsOf, type Setting, variantsOf } from "./policies-factors.ts"
import {
  copiesAim,
  type MeasuredFactor,
  type MeasuredRuns,
  measuredFactors,
  outcomeOf,
  type PolicyOutcome,
  type Spread,
  summaryOf
} from "./policies-figures.ts"

const name = "policies"

const options = Schema.Struct({
  agents: option(countText(2, 100_000), "500", "Hosts of the sweep, all asked at the same instant."),
  origins: option(countText(1, 64), "5", "Origins; the blob is on at most three of them."),
  trackers: option(countText(1, 16), "5", "Trackers that the agents know."),
  size: option(byteSizeText, "1.5GB", "Length of the blob."),
  piece: option(byteSizeText, "4MB", "Length of a piece, except where it varies."),
  rate: option(byteRateText, "300MB/s", "Uplink and downlink of every host, each."),
  latency: option(durationText, "0.5ms", "One way, between any two hosts."),
  links: linksOption,
  factors: option(namesText, factorNames.join(","), "Factors that are varied."),
  confirm: option(
    countText(0, 100),
    "10",
    "Runs that confirm the shipped values, on the seeds after the last one of the sweep."
  ),
  "confirm-agents": option(countText(2, 100_000), "2600", "Hosts of those runs.")
})
type Options = typeof options.Type

interface Input {
  readonly options: Options
  readonly setting: Setting
  readonly agents: number
  readonly seed: number
}

const confirmSeeds = ({ confirm }: Options, seeds: ReadonlyArray<number>): ReadonlyArray<number> =>
  Array.from({ length: confirm }, (_, index) => Math.max(...seeds) + 1 + index)

const shippedSetting = ({ piece }: Options): Setting => ({ parameters: {}, pieceLength: piece })

const refuse = (options: Options): string | undefined => {
  const unknown = options.factors.find((factor) => !factorNames.includes(factor))
  if (unknown !== undefined)
    return `--factors: unknown factor ${unknown}: ${namingTheChoices(unknown, factorNames)}`
  for (const variant of variantsOf(options)) {
    const refusal = shoal.refusal(crowdWith(variant, options, options.agents, 1), variant.parameters)
    if (refusal !== undefined) return `${variant.label}: ${refusal}`
  }
  return undefined
}

const cells = (options: Options, seeds: ReadonlyArray<number>): ReadonlyArray<Cell<Input>> => {
  const cell = (label: string, setting: Setting, agents: number, seed: number): Cell<Input> => ({
    label: `${label}, seed ${seed}`,
    input: {
      options,
      setting: { parameters: setting.parameters, pieceLength: setting.pieceLength },
      agents,
      seed
    },
    cost: agents * (options.size / setting.pieceLength),
    memory: crowdMemory(crowdWith(setting, options, agents, seed))
  })
  return [
    ...variantsOf(options).flatMap((variant) =>
      seeds.map((seed) => cell(variant.label, variant, options.agents, seed))
    ),
    ...confirmSeeds(options, seeds).map((seed) =>
      cell(
        `as shipped, ${options["confirm-agents"]} hosts`,
        shippedSetting(options),
        options["confirm-agents"],
        seed
      )
    )
  ]
}

const measure = (
  { options, setting, agents, seed }: Input,
  progress: Progress
): Effect.Effect<PolicyOutcome, ExperimentFailed> => {
  const spec = crowdWith(setting, options, agents, seed)
  return shoal.run(spec, setting.parameters, progress).pipe(
    Effect.map((outcome) => outcomeOf(spec, outcome)),
    Effect.mapError(
      ({ message }) => new ExperimentFailed({ experiment: name, message: `${name}: ${message}` })
    )
  )
}

const spreadCell = ({ median, worst }: Spread): string => `${median.toFixed(3)} / ${worst.toFixed(3)}`

const columns = [
  "p50 ratio",
  "p99 ratio",
  "p99.9 ratio",
  "slowest ratio",
  slowestColumn,
  "copies until outside",
  "rejects a piece",
  "duplicates a piece"
]

const cellsOf = ({ ratios, slowest, copies, rejects, duplicates }: MeasuredRuns): ReadonlyArray<string> =>
  [ratios.p50, ratios.p99, ratios.p999, ratios.max, slowest, copies, rejects, duplicates].map(spreadCell)

const tableOf = (factor: MeasuredFactor): Table => ({
  title: factor.title,
  caption:
    "Median over the seeds / worst seed. The base is the value that all other factors run with: the shipped one, " +
    "in pieces of the option.",
  columns: ["value", "", ...columns],
  rows: factor.values.map((value) => [value.label, value.isBase ? baseMark : "", ...cellsOf(value)])
})

const runFigures = (prefix: string, who: string, runs: MeasuredRuns): Readonly<Record<string, Figure>> => ({
  [`${prefix}_p50`]: {
    value: runs.ratios.p50.median,
    unit: "",
    meaning: `Median host over the bound, ${who}.`
  },
  [`${prefix}_p999`]: { value: runs.ratios.p999.median, unit: "", meaning: `p99.9 over the bound, ${who}.` },
  [`${prefix}_max`]: {
    value: runs.ratios.max.median,
    unit: "",
    meaning: `Slowest host over the bound, ${who}.`
  },
  [`${prefix}_max_worst_seed`]: {
    value: runs.ratios.max.worst,
    unit: "",
    meaning: `Slowest host of the worst seed over the bound, ${who}.`
  },
  [`${prefix}_copies`]: {
    value: runs.copies.worst,
    unit: "copies",
    meaning: `Copies that origins had sent when every piece was outside, worst seed, ${who}; the aim is ${copiesAim}.`
  }
})

const conclude = (
  options: Options,
  seeds: ReadonlyArray<number>,
  outcomes: ReadonlyArray<PolicyOutcome>
): Effect.Effect<Measured, ExperimentFailed> =>
  Effect.sync(() => {
    const variants = variantsOf(options)
    const factors = measuredFactors(options, factorsOf(options), seeds.length, outcomes)
    // The shipped setting is the first variant; the runs that confirm it come after all variants.
    const shipped = summaryOf(outcomes.slice(0, seeds.length))
    const rest = outcomes.slice(variants.length * seeds.length)
    const confirmed = rest.length === 0 ? undefined : summaryOf(rest)
    const sweepHosts = `${options.agents} hosts`
    const confirmHosts = `${options["confirm-agents"]} hosts on ${rest.length} unseen seeds`
    return {
      bound: "the counting bound of the blob, with one latency; each length of pieces has its own.",
      strategies: {
        [`shoal, ${sweepHosts}, worst seed`]: { blob: shipped.worstTimes },
        ...(confirmed === undefined
          ? {}
          : { [`shoal, ${confirmHosts}, worst`]: { blob: confirmed.worstTimes } })
      },
      figures: {
        ...runFigures("shipped", sweepHosts, shipped),
        ...(confirmed === undefined ? {} : runFigures("confirmed", confirmHosts, confirmed))
      },
      tables: [
        ...factors.map(tableOf),
        {
          title: "What ships",
          caption: "Median over the seeds / worst seed.",
          columns: ["hosts", ...columns],
          rows: [
            [sweepHosts, ...cellsOf(shipped)],
            ...(confirmed === undefined ? [] : [[confirmHosts, ...cellsOf(confirmed)]])
          ]
        }
      ],
      charts: [ratiosChart(factors, options.agents), copiesChart(factors)]
    }
  })

export const policies = defineExperiment({
  name,
  title: "Policies",
  question: "Which values of the swarm's rules are the best, and does what ships follow from them?",
  options,
  method: [
    "A flash crowd of the shipped programs: one blob, all hosts asked at the same instant. One rule at a time has " +
      "another value, and all others are as shipped. Degree means the neighbours that a peer asks for and those " +
      "that it accepts, varied together. Every value runs on every seed; the tables show the median over the seeds " +
      "and the worst seed.",
    "The best value of a factor is the one whose slowest host is done first, by the median over the seeds; in " +
      "seconds, because shorter pieces have a lower bound. Copies are those that origins had sent when every piece " +
      "was stored by at least one agent.",
    "The shipped values then run with more hosts, on seeds that no choice was made on. To try another value there, " +
      "change limits.ts and run the experiment again: the index marks reports of other code."
  ],
  limits: [
    "Rules are varied one at a time: the effect of two of them together is not measured.",
    "One size of blob, equal links, no failures: adversity and scale have others.",
    "Five seeds show differences of some thousandths at best."
  ],
  quick: {
    agents: "40",
    size: "16MB",
    piece: "500kB",
    rate: "30MB/s",
    confirm: "2",
    "confirm-agents": "80",
    seed: "1,2"
  },
  seeds: "1-5",
  refuse,
  cells,
  measure,
  conclude,
  answer: answerOf
})
