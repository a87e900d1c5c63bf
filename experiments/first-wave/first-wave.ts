// The experiment first-wave, a question that every deployment meets first: all hosts want a blob at once that no host
// has yet. The shipped agents, origins and trackers run on the simulator; the experiment only starts them, asks every
// agent at the same instant, and counts. A run whose outcome is not credible, or that loses bytes, fails.

import { Effect, Schema } from "effect"
import { invariant } from "../../src/protocol/kit/invariant.ts"
import type { Micros } from "../../src/protocol/kit/time.ts"
import { choosePieceLength } from "../../src/protocol/wire/metainfo.ts"
import { askLimits } from "../../src/roles/client/limits.ts"
import { type Cell, defineExperiment, ExperimentFailed, type Measured, option } from "../engine/experiment.ts"
import { byteRateText, byteSizeText, countText, durationText } from "../engine/option-text.ts"
import type { Progress } from "../engine/progress.ts"
import { boundOf } from "../flash-crowd/crowd-bound.ts"
import { crowdMemory, runFlashCrowd } from "../flash-crowd/crowd-run.ts"
import type { ShoalOutcome } from "../flash-crowd/crowd-watch.ts"
import type { FlashCrowd } from "../flash-crowd/flash-crowd.ts"
import { linksOption } from "../flash-crowd/links-option.ts"
import { timesAgainst } from "../report/result.ts"
import { answerOf } from "./first-wave-answer.ts"
import { completionChart, spreadChart } from "./first-wave-charts.ts"
import { figuresOf } from "./first-wave-figures.ts"

const name = "first-wave"

const options = Schema.Struct({
  agents: option(countText(1, 100_000), "1000", "Hosts that pull, all at the same instant."),
  origins: option(
    countText(1, askLimits.originReplicas),
    "1",
    `Origins that hold the blob; a cluster keeps at most ${askLimits.originReplicas} copies.`
  ),
  trackers: option(countText(1, 16), "1", "Trackers that the agents know."),
  size: option(byteSizeText, "256MiB", "Length of the blob."),
  rate: option(byteRateText, "300MB/s", "Uplink and downlink of every host, each."),
  latency: option(durationText, "0.5ms", "One way, between any two hosts."),
  links: linksOption
})
type Options = typeof options.Type

/** The most virtual time of a run, as a multiple of its bound; then it counts as stuck. */
const patience = 100

const specOf = (options: Options, seed: number): FlashCrowd => {
  const spec: FlashCrowd = {
    seed,
    agents: options.agents,
    origins: options.origins,
    trackers: options.trackers,
    blobs: [{ name, length: options.size, pieceLength: choosePieceLength(options.size) }],
    links: { model: options.links, rate: options.rate, burst: 0, latency: options.latency },
    patience: 0
  }
  return { ...spec, patience: Math.ceil(boundOf(spec).seconds * 1e6 * patience) }
}

const seconds = (micros: Micros): number => micros / 1e6

const chartsOf = (options: Options, outcome: ShoalOutcome, bound: number) => [
  completionChart({ completions: outcome.completions.map(seconds), bound }),
  spreadChart({
    samples: outcome.samples.map((sample) => ({
      seconds: seconds(sample.at),
      fromOrigins: sample.fromOrigins,
      fromAgents: sample.storedBytes - sample.fromOrigins
    })),
    agents: options.agents,
    origins: options.origins,
    bytes: options.size,
    pieceLength: choosePieceLength(options.size),
    rate: options.rate,
    latency: seconds(options.latency)
  })
]

/** One flash crowd of one seed. */
interface Input {
  readonly options: Options
  readonly seed: number
}

const cells = (options: Options, seeds: ReadonlyArray<number>): ReadonlyArray<Cell<Input>> =>
  seeds.map((seed) => ({
    label: `seed ${seed}`,
    input: { options, seed },
    cost: options.agents * options.size,
    memory: crowdMemory(specOf(options, seed))
  }))

const measure = (
  { options, seed }: Input,
  progress: Progress
): Effect.Effect<ShoalOutcome, ExperimentFailed> =>
  Effect.mapError(runFlashCrowd(specOf(options, seed), {}, progress), (error) => failed(error.message))

const conclude = (
  options: Options,
  seeds: ReadonlyArray<number>,
  outcomes: ReadonlyArray<ShoalOutcome>
): Effect.Effect<Measured, ExperimentFailed> =>
  Effect.sync(() => {
    const [seed] = seeds
    const [outcome] = outcomes
    invariant(seed !== undefined && outcome !== undefined, "first-wave: a report has a seed")
    const spec = specOf(options, seed)
    const bound = boundOf(spec)
    const times = timesAgainst(
      bound.seconds,
      outcomes.flatMap(({ completions }) => completions.map(seconds))
    )
    return {
      bound: `the ${bound.name}, with one latency.`,
      strategies: { shoal: { blob: times } },
      figures: figuresOf(outcome, spec),
      charts: chartsOf(options, outcome, bound.seconds)
    }
  })

const failed = (reason: string): ExperimentFailed =>
  new ExperimentFailed({ experiment: name, message: `${name}: ${reason}` })

export const firstWave = defineExperiment({
  name,
  title: "The first wave",
  question: "How long do N agents take to pull one blob at once from S origins?",
  options,
  method: [
    "The shipped programs (agent, origin, tracker, build-index) run on the simulator with the shipped defaults, " +
      "each on a host of its own. The origins hold the blob as if it had been pushed and copied, and no agent has " +
      "a part of it. At one instant every agent is asked to pull the blob. It finds metainfo and peers through its " +
      "tracker, and gets pieces from origins and other agents. An agent is done when every piece and the whole " +
      "digest are verified and the blob is committed.",
    "Times are virtual seconds since that instant, percentiles by nearest rank. The bound is the counting bound: " +
      "the smallest T with the sum over t < T of min(N, S * 2^t) at least N * M, for N agents, S origins and M " +
      "pieces, in slots of one piece at link rate, and one latency more. No protocol that sends whole pieces is " +
      "faster, so a run fails when its last agent beats the bound, or an agent is done before its own downlink can " +
      "have carried the blob. A run also fails unless every byte sent is received, lost or under way."
  ],
  limits: [
    "All links are equal and nothing fails: no slow host, no loss, no churn.",
    "Links are the only bottleneck of the network: no racks, no shared uplinks, one latency for all.",
    "Disks and hashing cost virtual time at fixed rates; processors cost none.",
    "The spread over seeds is not shown: with several seeds, the times of all runs are taken together."
  ],
  quick: { agents: "100", size: "32MiB" },
  seeds: "1",
  cells,
  measure,
  conclude,
  answer: answerOf
})
