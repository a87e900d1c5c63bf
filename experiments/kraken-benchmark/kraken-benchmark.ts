// The experiment kraken-benchmark: shoal in Kraken's published test, beside Kraken's policies and the other strategies.
// All have the same image, hosts and links; each contender is a cell. kraken-benchmark-contenders.ts has the
// contenders, kraken-benchmark-answer.ts the words of the answer.

import { Effect, Result, Schema } from "effect"
import { invariant } from "../../src/protocol/kit/invariant.ts"
import { type Cell, defineExperiment, ExperimentFailed, type Measured, option } from "../engine/experiment.ts"
import { byteRateText, byteSizeText, countText, durationText, namesText } from "../engine/option-text.ts"
import type { Progress } from "../engine/progress.ts"
import { crowdMemory } from "../flash-crowd/crowd-run.ts"
import { spreadText } from "../flash-crowd/link-use.ts"
import { linksOption } from "../flash-crowd/links-option.ts"
import type { Figure, Table } from "../report/result.ts"
import { findStrategy, strategies } from "../strategies/registry.ts"
import { aims, answerOf } from "./kraken-benchmark-answer.ts"
import { completionsChart, type Shown, tailChart } from "./kraken-benchmark-charts.ts"
import { contendersOf, crowdOf, isPublishedTest, named, published } from "./kraken-benchmark-contenders.ts"
import { type ContenderOutcome, linkUseOf, outcomeOf, type TimeParts } from "./kraken-benchmark-figures.ts"

const name = "kraken-benchmark"

const options = Schema.Struct({
  strategies: option(
    namesText,
    strategies.map((strategy) => strategy.name).join(","),
    "Strategies that take part."
  ),
  agents: option(countText(2, 100_000), "2600", "Hosts that pull, all at the same instant."),
  origins: option(countText(1, 64), "5", "Origins; each layer is on at most three of them."),
  trackers: option(countText(1, 16), "5", "Trackers that the agents know."),
  blobs: option(countText(1, 16), "2", "Layers of the image."),
  size: option(byteSizeText, "1.5GB", "Length of a layer."),
  piece: option(byteSizeText, "4MB", "Length of a piece, except where a contender has its own."),
  rate: option(byteRateText, "300MB/s", "Uplink and downlink of every host, each."),
  latency: option(durationText, "0.5ms", "One way, between any two hosts."),
  links: linksOption,
  burst: option(durationText, "1s", "Contents of Kraken's token buckets, as a time of their rate."),
  "origin-rate": option(
    byteRateText,
    "1250MB/s",
    "Uplink and downlink of an origin, each, where only agents are capped."
  ),
  spread: option(durationText, "10s", "Time within which hosts begin, where they do not begin at once."),
  degree: option(
    countText(1, 256),
    "10",
    "The most agents that a host has as neighbours, where shoal runs as the aim states."
  ),
  have: option(durationText, "20ms", "Time that Have messages wait there.")
})
type Options = typeof options.Type

interface Input {
  readonly options: Options
  readonly contender: string
  readonly seed: number
}

const refuse = (options: Options): string | undefined => {
  if (options.degree >= options.agents) {
    return `--degree ${options.degree}: each of ${options.agents} agents has at most ${options.agents - 1} others as neighbours`
  }
  for (const wanted of options.strategies) {
    const found = Effect.runSync(Effect.result(findStrategy(wanted)))
    if (Result.isFailure(found)) return `--strategies: ${found.failure.message}`
  }
  for (const contender of contendersOf(options)) {
    const refusal = contender.strategy.refusal(crowdOf(contender, options, 1), contender.parameters)
    if (refusal !== undefined) return `${contender.name}: ${refusal}`
  }
  return undefined
}

const cells = (options: Options, seeds: ReadonlyArray<number>): ReadonlyArray<Cell<Input>> =>
  contendersOf(options).flatMap((contender) =>
    seeds.map((seed) => {
      const spec = crowdOf(contender, options, seed)
      const transfers = (options.agents * options.blobs * options.size) / contender.pieceLength
      return {
        label: `${contender.name}, seed ${seed}`,
        input: { options, contender: contender.name, seed },
        cost: transfers * (contender.strategy.name === "shoal" ? 3 : 1),
        memory: crowdMemory(spec)
      }
    })
  )

const measure = (
  { options, contender: wanted, seed }: Input,
  progress: Progress
): Effect.Effect<ContenderOutcome, ExperimentFailed> => {
  const contender = contendersOf(options).find((known) => known.name === wanted)
  invariant(contender !== undefined, `kraken-benchmark: ${wanted} is a contender`)
  const spec = crowdOf(contender, options, seed)
  return contender.strategy.run(spec, contender.parameters, progress).pipe(
    Effect.map((outcome) => outcomeOf(spec, outcome)),
    Effect.mapError(
      ({ message }) => new ExperimentFailed({ experiment: name, message: `${name}: ${wanted}: ${message}` })
    )
  )
}

/** The run of a contender whose slow hosts took longest. */
const worst = (left: ContenderOutcome, right: ContenderOutcome): ContenderOutcome =>
  right.image.p999_s > left.image.p999_s ? right : left

const count = (value: number | undefined): number | string => value ?? ""

const tableOf = (options: Options, shown: ReadonlyArray<Shown & { readonly terms: string }>): Table => ({
  title: "Every contender",
  caption:
    "Seconds until hosts have the whole image, and the same over the bound of the contender. Copies are of the " +
    "whole image.",
  columns: [
    "contender",
    "terms",
    "p50 s",
    "p99 s",
    "p99.9 s",
    "slowest s",
    "p50 ratio",
    "p99 ratio",
    "p99.9 ratio",
    "slowest ratio",
    "copies sent by origins until all is outside",
    "copies from origins in all",
    "share from origins",
    "rejects a piece",
    "duplicates a piece"
  ],
  rows: [
    ...shown.map(({ name, terms, outcome }) => [
      name,
      terms,
      outcome.image.p50_s,
      outcome.image.p99_s,
      outcome.image.p999_s,
      outcome.image.max_s,
      outcome.image.ratio.p50,
      outcome.image.ratio.p99,
      outcome.image.ratio.p999,
      outcome.image.ratio.max,
      outcome.copiesUntilOutside,
      outcome.copiesFromOrigins,
      `${(100 * outcome.originShare).toFixed(1)} %`,
      count(outcome.rejectsPerPiece),
      count(outcome.duplicatesPerPiece)
    ]),
    ...(isPublishedTest(options)
      ? [
          [
            "kraken, published",
            "as in its README, measured on real hosts",
            published.p50_s,
            published.p99_s,
            published.p999_s,
            ...Array.from({ length: 10 }, () => "")
          ]
        ]
      : [])
  ]
})

const linkTable = (shown: ReadonlyArray<Shown>): Table => ({
  title: "Use of the agents' links",
  caption:
    "Tenth percentile / median / ninetieth percentile of the agents, of the time until each was done: the share in " +
    "which pieces were on the link, and the bytes that it carried over what it could have carried. Below token " +
    "buckets links are faster than the buckets.",
  columns: ["contender", "uplink busy", "uplink carried", "downlink busy", "downlink carried"],
  rows: shown.map(({ name, outcome: { linkUse } }) => [
    name,
    ...[linkUse.uplink, linkUse.downlink].flatMap(({ busy, carried }) => [
      spreadText(busy),
      spreadText(carried)
    ])
  ])
})

const figure = (value: number, unit: string, meaning: string): Figure => ({ value, unit, meaning })

/** Parts of the time of shoal as the aim states. */
const partFigures = (options: Options, parts: TimeParts): Readonly<Record<string, Figure>> => ({
  aim_first_piece_p50: figure(parts.firstPieceP50, "s", "Until the median host had its first piece."),
  aim_link_use: figure(
    linkUseOf(options, parts),
    "",
    "Share of its downlink that the median host used between its first piece and its last."
  ),
  aim_after_last_piece_p50: figure(
    parts.afterLastP50,
    "s",
    "From a host's last piece until it was done, median: the rest of the whole digest, and the commit."
  ),
  aim_last_piece_max: figure(
    parts.lastPieceMax - parts.lastPieceP50,
    "s",
    "From the last piece of the median host to that of the slowest."
  ),
  aim_after_last_piece_max: figure(
    parts.afterLastMax,
    "s",
    "From its last piece until it was done, of the host that waited longest."
  )
})

const figuresOf = (
  options: Options,
  find: (contender: string) => ContenderOutcome | undefined
): Readonly<Record<string, Figure>> => {
  const [aim, kraken, random] = [find(named.aim), find(named.kraken), find(named.krakenRandom)]
  return {
    ...(aim === undefined
      ? {}
      : {
          aim_p50: figure(aim.image.ratio.p50, "", `${overBound("Median")}; the aim is ${aims.p50}.`),
          aim_p999: figure(aim.image.ratio.p999, "", `${overBound("p99.9")}; the aim is ${aims.p999}.`),
          aim_max: figure(aim.image.ratio.max, "", `${overBound("Slowest")}; the aim is ${aims.max}.`),
          aim_copies_until_outside: figure(
            aim.copiesUntilOutside,
            "copies",
            "Copies that origins had sent when every piece was stored by at least one agent; 1 is the least."
          ),
          aim_uplink_busy_p50: figure(
            aim.linkUse.uplink.busy.p50,
            "",
            "Share of the time until it was done in which pieces were on the uplink of the median host."
          ),
          aim_uplink_carried_p50: figure(
            aim.linkUse.uplink.carried.p50,
            "",
            "Bytes that the uplink of the median host carried until it was done, over what it could have carried."
          ),
          aim_downlink_busy_p50: figure(
            aim.linkUse.downlink.busy.p50,
            "",
            "Share of the time until it was done in which pieces were on the downlink of the median host."
          ),
          ...(aim.parts === undefined ? {} : partFigures(options, aim.parts))
        }),
    ...(kraken === undefined || random === undefined
      ? {}
      : {
          kraken_p50: figure(kraken.image.ratio.p50, "", "Median over the bound, Kraken on the same links."),
          kraken_random_p50: figure(random.image.ratio.p50, "", "The same with pieces chosen at random.")
        })
  }
}

const overBound = (which: string): string => `${which} of the hosts over the bound, shoal as the aim states`

const conclude = (
  options: Options,
  seeds: ReadonlyArray<number>,
  outcomes: ReadonlyArray<ContenderOutcome>
): Effect.Effect<Measured, ExperimentFailed> =>
  Effect.sync(() => {
    const shown = contendersOf(options).map(({ name: contender, terms, strategy }, index) => ({
      name: contender,
      terms,
      strategy: strategy.name,
      outcome: outcomes.slice(index * seeds.length, (index + 1) * seeds.length).reduce(worst)
    }))
    const find = (wanted: string) => shown.find(({ name: contender }) => contender === wanted)?.outcome
    return {
      bound:
        "the counting bound of the image over its origins, with one latency; for a blob, the bound of that blob " +
        "alone. With token buckets, their initial contents are subtracted.",
      strategies: Object.fromEntries(
        shown.map(({ name: contender, outcome: { image, blob } }) => [contender, { image, blob }])
      ),
      figures: figuresOf(options, find),
      tables: [tableOf(options, shown), linkTable(shown)],
      charts: [completionsChart(options, shown), tailChart(options, shown)]
    }
  })

export const krakenBenchmark = defineExperiment({
  name,
  title: "Kraken's test",
  question:
    "How does shoal stand in Kraken's published test, beside Kraken's policies and the other strategies?",
  options,
  method: [
    "The test is the one that Kraken's README reports: all hosts pull an image of two layers at the same instant " +
      "over links of 300 MB/s each way, from five origins of which three hold each layer. Published are 10 s for " +
      "the median, 18 s for p99, 22 s for p99.9. A host is done when every layer is verified to the last byte. All " +
      "contenders have the same hosts, links, latency, disks and cost of hashing; the table shows the terms of " +
      "each.",
    "Shoal runs as it ships, with pieces as in the test; with the pieces that it chooses itself; and as the aim " +
      "states: with few neighbours, and Have messages that wait for more pieces. The limit of neighbours counts " +
      "agents; the origins of a layer, three at most, come in addition.",
    "Kraken's policies are those of its source. Its rarest-first order breaks ties alike on every host, so that " +
      "all ask for the same pieces and the origins stay the bottleneck; other runs choose at random, or are tuned. " +
      "Kraken keeps its rates by token buckets that hold a second of rate, so one of its runs has them, over links " +
      "that are four times as fast; the other runs use the same links as all contenders. With several seeds, the " +
      "run of each contender with the largest p99.9 is shown.",
    "The published text says only that agents were capped, and Kraken's configuration caps no origin. So three runs " +
      "have origins with faster links and no buckets: rarest first at one instant, the same with hosts that begin " +
      "within some seconds, and random choice. Published times are those of single layers, in bars of two seconds.",
    "Layers are pulled at the same time and share the downlink of a host, so a layer takes about as long as the " +
      "image; its ratio is to the bound of that layer alone."
  ],
  limits: [
    "All links are equal and nothing fails; disks and hashing cost virtual time at fixed rates, processors cost " +
      "none.",
    "The published figures are of real hosts whose links, disks and start are not fully described; the simulated " +
      "Kraken has its policies, not its program.",
    "Connections cost a round trip, without slow start and congestion."
  ],
  // The ratio of a burst of one second to the whole time must be as small as in the full test, so links are slow as
  // well.
  quick: { agents: "60", size: "50MB", piece: "1MB", rate: "10MB/s", "origin-rate": "42MB/s" },
  seeds: "1",
  refuse,
  cells,
  measure,
  conclude,
  answer: answerOf
})
