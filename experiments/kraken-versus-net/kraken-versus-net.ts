// The experiment kraken-versus-net: whether the simulated Kraken takes as long as the real one. Every case that was
// measured is run under two link models; measured-kraken.ts has the measurements.

import { Effect, Schema } from "effect"
import type { LinkModel } from "../../src/runtime-sim/network/link-model.ts"
import {
  type Cell,
  type CellOutcome,
  defineExperiment,
  ExperimentFailed,
  type Measured,
  option
} from "../engine/experiment.ts"
import { byteRateText, durationText } from "../engine/option-text.ts"
import type { Progress } from "../engine/progress.ts"
import type { FlashCrowd } from "../flash-crowd/flash-crowd.ts"
import type { Figure, Table } from "../report/result.ts"
import { kraken } from "../strategies/kraken.ts"
import { answerOf, goodWithin } from "./kraken-versus-net-answer.ts"
import { ratiosChart } from "./kraken-versus-net-chart.ts"
import { type KrakenCase, krakenCases, krakenConditions, krakenSources } from "./measured-kraken.ts"

const name = "kraken-versus-net"

const options = Schema.Struct({
  latency: option(durationText, "100us", "One way between two processes on loopback."),
  line: option(byteRateText, "2500MB/s", "Rate of loopback, each way, for every host.")
})
type Options = typeof options.Type

const models = ["fair", "queue"] as const satisfies ReadonlyArray<LinkModel>

interface Input {
  readonly options: Options
  readonly wanted: string
  readonly model: LinkModel
  readonly seed: number
}

interface Outcome extends CellOutcome {
  readonly makespan_s: number
  readonly copies: number
}

/** The flash crowd of a case. */
const krakenCrowd = (
  { isOriginCapped }: Pick<KrakenCase, "isOriginCapped">,
  { latency, line }: Options,
  model: LinkModel,
  seed: number
): FlashCrowd => {
  const { agents, size, piece, rate } = krakenConditions
  return {
    seed,
    agents,
    origins: 1,
    trackers: 1,
    blobs: [{ name: "blob", length: size, pieceLength: piece }],
    links: { model, rate, burst: rate, line, latency, ...(isOriginCapped ? {} : { originRate: line }) },
    patience: 600_000_000
  }
}

const cells = (options: Options, seeds: ReadonlyArray<number>): ReadonlyArray<Cell<Input>> =>
  krakenCases.flatMap(({ name: wanted, isOriginCapped }) =>
    models.flatMap((model) =>
      seeds.map((seed) => ({
        label: `${wanted}, ${model}, seed ${seed}`,
        input: { options, wanted, model, seed },
        cost: isOriginCapped ? 2 : 1,
        memory: 200e6
      }))
    )
  )

const measure = (
  { options, wanted, model, seed }: Input,
  progress: Progress
): Effect.Effect<Outcome, ExperimentFailed> =>
  Effect.gen(function* () {
    const found = krakenCases.find((known) => known.name === wanted)
    if (found === undefined) {
      return yield* new ExperimentFailed({
        experiment: name,
        message: `${name}: no case is called ${wanted}`
      })
    }
    const outcome = yield* kraken
      .run(krakenCrowd(found, options, model, seed), { choice: found.choice }, progress)
      .pipe(
        Effect.mapError(
          ({ message }) =>
            new ExperimentFailed({ experiment: name, message: `${name}: ${wanted}: ${message}` })
        )
      )
    return {
      traceHash: outcome.traceHash,
      events: outcome.events,
      makespan_s: Math.max(...outcome.completions) / 1e6,
      copies: (outcome.samples.at(-1)?.sentByOrigins ?? 0) / krakenConditions.size
    }
  })

const mean = (values: ReadonlyArray<number>): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** Means of the measured runs of a case, and of the seeds under each model. */
interface Compared {
  readonly measured: KrakenCase
  readonly makespan: number
  readonly copies: number
  readonly simulated: Readonly<Record<(typeof models)[number], Pick<Outcome, "makespan_s" | "copies">>>
}

const compare = (seeds: ReadonlyArray<number>, outcomes: ReadonlyArray<Outcome>): ReadonlyArray<Compared> =>
  krakenCases.map((measured, at) => {
    const of = (model: (typeof models)[number]) => {
      const from = (at * models.length + models.indexOf(model)) * seeds.length
      const own = outcomes.slice(from, from + seeds.length)
      return {
        makespan_s: mean(own.map(({ makespan_s }) => makespan_s)),
        copies: mean(own.map(({ copies }) => copies))
      }
    }
    return {
      measured,
      makespan: mean(measured.runs.map(({ makespan_s }) => makespan_s)),
      copies: mean(measured.runs.map(({ copies }) => copies)),
      simulated: { fair: of("fair"), queue: of("queue") }
    }
  })

const comparison = (all: ReadonlyArray<Compared>): Table => ({
  title: "Simulated and measured",
  caption:
    "Seconds until the last of the agents had the blob, and copies of it that the origin sent: means over runs or " +
    "seeds, in brackets over the measured ones.",
  columns: ["case", "measured s", "copies", "fair s", "copies", "queue s", "copies"],
  rows: all.map(({ measured, makespan, copies, simulated }) => [
    measured.name,
    makespan.toFixed(1),
    copies.toFixed(1),
    ...models.flatMap((model) => {
      const { makespan_s, copies: sent } = simulated[model]
      return [
        `${makespan_s.toFixed(1)} (${(makespan_s / makespan).toFixed(2)})`,
        `${sent.toFixed(1)} (${(sent / copies).toFixed(2)})`
      ]
    })
  ])
})

const everyRun: Table = {
  title: "Every measured run",
  caption: "Of Kraken at commit 2a7fbcb, on a machine with two cores, in November 2026.",
  columns: ["case", "s", "copies", "how"],
  rows: krakenCases.flatMap(({ name: measured, runs }) =>
    runs.map(({ makespan_s, copies, source }) => [measured, makespan_s, copies, krakenSources[source]])
  )
}

const conclude = (
  _options: Options,
  seeds: ReadonlyArray<number>,
  outcomes: ReadonlyArray<Outcome>
): Effect.Effect<Measured, ExperimentFailed> =>
  Effect.sync(() => {
    const all = compare(seeds, outcomes)
    const worst = (model: (typeof models)[number]): number =>
      Math.max(...all.map(({ makespan, simulated }) => Math.abs(simulated[model].makespan_s / makespan - 1)))
    const worstCopies = Math.max(
      ...all.map(({ copies, simulated }) => Math.abs(simulated.fair.copies / copies - 1))
    )
    const figure = (value: number, meaning: string): Figure => ({ value, unit: "", meaning })
    return {
      strategies: {},
      figures: {
        worst_fair: figure(
          worst("fair"),
          "Largest difference of a simulated makespan from the measured one, as a share of it, on fair links."
        ),
        worst_queue: figure(worst("queue"), "The same on queues."),
        worst_copies: figure(worstCopies, "The same of the copies that the origin sent, on fair links.")
      },
      tables: [comparison(all), everyRun],
      charts: [
        ratiosChart(
          all.map(({ measured, makespan, simulated }) => ({
            name: measured.name,
            measured: measured.runs.map(({ makespan_s }) => makespan_s / makespan),
            fair: simulated.fair.makespan_s / makespan,
            queue: simulated.queue.makespan_s / makespan
          })),
          goodWithin
        )
      ]
    }
  })

export const krakenVersusNet = defineExperiment({
  name,
  title: "The simulated Kraken against the real one",
  question: "Does the simulated Kraken take as long as the real one?",
  options,
  method: [
    "Measured: Kraken at commit 2a7fbcb with its defaults. Eight agents ask at once for a blob of 256 MiB in pieces " +
      "of 4 MiB that one origin has, all on loopback. Kraken's own token buckets of 20 MiB/s each way, which hold one " +
      "second, limit the agents. They limit the origin as well, or not; pieces are chosen rarest first, as its agents " +
      "ship, or at random.",
    "Simulated: the strategy `kraken` under the same conditions. Links stand for loopback and are much faster than " +
      "the buckets, so the link model hardly matters. Nothing is fitted: every rule is one of Kraken's source.",
    "With the origin capped and rarest first, all agents ask the origin for the same pieces in the same order, since " +
      "ties are broken alike. They advance in step and have hardly anything for each other, so the origin sends the " +
      "blob to almost everybody."
  ],
  links: ["fair", "queue"],
  limits: [
    "Eight agents form a full mesh: the check says nothing of hand-outs, refusals and the limit of ten connections.",
    "All agents of the simulation begin at the same instant. Those that were measured begin within milliseconds, " +
      "and work on the machine shifts them: with the origin capped, busy runs took up to a tenth longer.",
    "These are a few runs on one machine, which cannot be repeated to the byte."
  ],
  quick: { seed: "1" },
  seeds: "1-5",
  cells,
  measure,
  conclude,
  answer: (_options, findings) => answerOf(findings)
})
