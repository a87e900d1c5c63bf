// The experiment adversity: what trouble costs a flash crowd. Hosts leave for good and others come, frames are lost, an
// origin dies, trackers are away, hosts are slow, a zone is cut off; each alone, and all at once. Every host that stays
// has to get the blob, and its time is compared with a bound of the links as they are.

import { Effect, Schema } from "effect"
import { invariant } from "../../src/protocol/kit/invariant.ts"
import { askLimits } from "../../src/roles/client/limits.ts"
import {
  type Cell,
  type CellOutcome,
  defineExperiment,
  ExperimentFailed,
  type Measured,
  option
} from "../engine/experiment.ts"
import { byteRateText, byteSizeText, countText, durationText } from "../engine/option-text.ts"
import type { Progress } from "../engine/progress.ts"
import { crowdMemory } from "../flash-crowd/crowd-run.ts"
import { linksOption } from "../flash-crowd/links-option.ts"
import type { Figure, Table } from "../report/result.ts"
import { aim, answerOf, ratioName } from "./adversity-answer.ts"
import { ratioChart } from "./adversity-charts.ts"
import { type AdversityFigures, figuresOf } from "./adversity-figures.ts"
import { type AdversityOptions, crowdOf, scenariosOf } from "./adversity-scenarios.ts"
import { watchAdversity } from "./adversity-watch.ts"

const name = "adversity"

const options = Schema.Struct({
  agents: option(countText(3, 100_000), "500", "Hosts that pull, all at the same instant."),
  origins: option(
    countText(2, askLimits.originReplicas),
    "3",
    "Origins that hold the blob; one of them dies."
  ),
  trackers: option(countText(1, 16), "3", "Trackers that the agents know."),
  size: option(byteSizeText, "4GB", "Length of the blob."),
  rate: option(byteRateText, "20MB/s", "Uplink and downlink of every host, each, except the slow ones."),
  "slow-rate": option(byteRateText, "5MB/s", "The same of the slow tenth."),
  latency: option(durationText, "0.5ms", "One way, between any two hosts."),
  links: linksOption,
  churn: option(countText(1, 1_000), "1", "Percent of the hosts that leave in a minute."),
  loss: option(countText(1, 50), "1", "Percent of the frames that are lost.")
})

interface Input {
  readonly options: AdversityOptions
  readonly scenario: string
  readonly seed: number
}

interface Outcome extends CellOutcome {
  readonly figures: AdversityFigures
  /** Share of the bytes on the wire that were lost. */
  readonly lostShare: number
}

const cells = (options: AdversityOptions, seeds: ReadonlyArray<number>): ReadonlyArray<Cell<Input>> =>
  scenariosOf(options).flatMap(({ name: scenario, adversity }) =>
    seeds.map((seed) => ({
      label: `${scenario}, seed ${seed}`,
      input: { options, scenario, seed },
      // Runs with slow hosts take longer, with little to do.
      cost: adversity.slow === undefined ? 1 : 1.5,
      memory: crowdMemory(crowdOf(options, adversity, seed))
    }))
  )

const measure = (
  { options, scenario, seed }: Input,
  progress: Progress
): Effect.Effect<Outcome, ExperimentFailed> =>
  Effect.gen(function* () {
    const known = scenariosOf(options).find(({ name }) => name === scenario)
    invariant(known !== undefined, `adversity: ${scenario} is a scenario`)
    const { adversity } = known
    const outcome = yield* watchAdversity(crowdOf(options, adversity, seed), adversity, progress)
    const figures = figuresOf(options, adversity, seed, outcome)
    if (typeof figures === "string") return yield* failed(scenario, figures)
    const { traceHash, events, bytesLost, bytesSent } = outcome
    return { traceHash, events, figures, lostShare: bytesLost / bytesSent }
  }).pipe(
    Effect.mapError((error) => (error instanceof ExperimentFailed ? error : failed(scenario, error.message))),
    Effect.catchDefect((defect) => Effect.fail(failed(scenario, String(defect))))
  )

const failed = (scenario: string, reason: string): ExperimentFailed =>
  new ExperimentFailed({ experiment: name, message: `${name}: ${scenario}: ${reason}` })

interface Result extends Outcome {
  readonly scenario: string
  readonly meaning: string
}

/** The run of a scenario with the worst ratio. */
const worst = (left: Outcome, right: Outcome): Outcome =>
  right.figures.worstRatio > left.figures.worstRatio ? right : left

const tableOf = (results: ReadonlyArray<Result>): Table => ({
  title: "Every scenario",
  caption:
    "Ratios are of the slowest host of a kind to the bound of that kind. A pull that fails is repeated a second " +
    "later.",
  columns: [
    "scenario",
    "what happens",
    "survivors, all complete",
    "left (still pulling)",
    "came",
    "cut off",
    "ratio",
    "on slow links",
    "came later",
    "pulls that failed",
    "bytes lost"
  ],
  rows: results.map(({ scenario, meaning, figures, lostShare }) => [
    scenario,
    meaning,
    figures.survivors,
    figures.left === 0 ? "" : `${figures.left} (${figures.leftPulling})`,
    figures.arrived === 0 ? "" : figures.arrived,
    figures.cut === 0 ? "" : figures.cut,
    figures.fast.ratio.max,
    figures.slow?.ratio.max ?? "",
    figures.came?.ratio.max ?? "",
    figures.failedPulls,
    `${(100 * lostShare).toFixed(2)} %`
  ])
})

const ratioFigure = ({ scenario, figures, meaning }: Result): readonly [string, Figure] => [
  ratioName(scenario),
  { value: figures.worstRatio, unit: "", meaning: `The worst ratio of any host to its bound: ${meaning}.` }
]

/** Times of each kind of host in a scenario, as the report lists them. */
const timesOf = ({ scenario, figures }: Result) => {
  const { fast, slow, came } = figures
  return [
    [`shoal, ${scenario}`, { blob: fast }] as const,
    ...(slow === undefined ? [] : [[`shoal, ${scenario}, on slow links`, { blob: slow }] as const]),
    ...(came === undefined ? [] : [[`shoal, ${scenario}, came later`, { blob: came }] as const])
  ]
}

const conclude = (
  options: AdversityOptions,
  seeds: ReadonlyArray<number>,
  outcomes: ReadonlyArray<Outcome>
): Effect.Effect<Measured, ExperimentFailed> =>
  Effect.sync(() => {
    const results = scenariosOf(options).map(
      ({ name: scenario, meaning }, index): Result => ({
        scenario,
        meaning,
        ...outcomes.slice(index * seeds.length, (index + 1) * seeds.length).reduce(worst)
      })
    )
    return {
      bound:
        "the counting bound of the survivors with full links that were there from the start; for hosts on slow " +
        "links and hosts that came later, the time that their own downlink needs.",
      strategies: Object.fromEntries(results.flatMap(timesOf)),
      figures: Object.fromEntries(results.map(ratioFigure)),
      tables: [tableOf(results)],
      charts: [ratioChart(results, aim)]
    }
  })

export const adversity = defineExperiment({
  name,
  title: "Adversity",
  question:
    "What do churn, loss, dead origins, absent trackers, slow hosts and a cut network cost a flash crowd?",
  options,
  method: [
    "A flash crowd as in first-wave, of the shipped programs with the shipped defaults, on links so slow that it " +
      "lasts minutes: then a percent of the hosts per minute is a number of hosts. Troubles come one by one and " +
      "all at once; the table says what happens when, and to how many hosts. Hosts that leave, and the origin that " +
      "dies, are switched off: their peers get no message and find out by themselves. For every host that leaves, " +
      "another one comes and asks for the blob, until the last of the first hosts is done.",
    "A host is complete when the whole blob is verified and committed. A pull that fails is repeated a second " +
      "later, as a container runtime does; the table counts these. A run in which a host that stays does not " +
      "complete fails.",
    "Bounds are of the links as they are, for each kind of host: the counting bound for the survivors that were " +
      "there from the start; the own downlink for hosts on slow links, and for hosts that came later, since they " +
      "asked (or since a tracker was there to be asked). Bounds do not include the time that loss and cuts take. " +
      "With several seeds, the worst run of each scenario is shown."
  ],
  limits: [
    "The slow rates are above the one at which the outstanding requests of a host outlast their timeout. Below it " +
      "a host did not complete at all: with 4 MiB pieces at 1 MB/s, and with 256 KiB pieces at 125 kB/s, the run " +
      "was stuck.",
    "The quick version is smaller and shorter than the full one, and its ratios are lower: it is no evidence for " +
      "the aim.",
    "The uplinks of slow hosts are slow as well; the ratio of the other hosts shows how long they wait for them.",
    "A lost frame is sent again after a timeout of fixed length; congestion control is not modelled.",
    "A pull by digest does not use the build-index, so it is not among the parts that fail."
  ],
  quick: { agents: "40", size: "80MB", rate: "1MB/s", "slow-rate": "400kB/s", churn: "10" },
  seeds: "1",
  cells,
  measure,
  conclude,
  answer: (options, findings) =>
    answerOf(
      scenariosOf(options).map(({ name: scenario }) => scenario),
      findings
    )
})
