// The experiment scale: where size begins to matter. The same cluster has more and more hosts, the same hosts pull
// longer and longer blobs, and one seeder serves everyone. Every point is a flash crowd of the shipped roles, compared
// with its bound, and a cell of its own.

import { Effect, Schema } from "effect"
import { askLimits } from "../../src/roles/client/limits.ts"
import { type Cell, defineExperiment, ExperimentFailed, type Measured, option } from "../engine/experiment.ts"
import { byteRateText, byteSizeText, countText, durationText } from "../engine/option-text.ts"
import type { Progress } from "../engine/progress.ts"
import { boundOf } from "../flash-crowd/crowd-bound.ts"
import { crowdMemory, runFlashCrowd } from "../flash-crowd/crowd-run.ts"
import { linksOption } from "../flash-crowd/links-option.ts"
import { percent } from "../report/findings.ts"
import { type Figure, type Table, timesAgainst } from "../report/result.ts"
import { answerOf } from "./scale-answer.ts"
import { bytesChart, hostsChart, lineShareChart } from "./scale-charts.ts"
import {
  crowdAt,
  labelOf,
  type MeasuredPoint,
  measuredAt,
  type PointOutcome,
  pointsOf,
  type ScaleOptions,
  type ScalePoint,
  seriesOf
} from "./scale-points.ts"

const name = "scale"

const hosts = countText(1, 100_000)

const options = Schema.Struct({
  size: option(
    byteSizeText,
    "1GB",
    "Length of the blob in the series over hosts; one seeder has 1, 3 and 10 times that."
  ),
  "most-hosts": option(hosts, "15000", "Last point of the series over hosts, which begins at 10."),
  hosts: option(hosts, "1000", "Hosts of the series over sizes."),
  largest: option(byteSizeText, "20GB", "Last point of the series over sizes, which begins at 1 MB."),
  huge: option(byteSizeText, "100GB", "Length of one more blob."),
  "huge-hosts": option(hosts, "500", "Hosts that pull that one."),
  "seeder-hosts": option(hosts, "3000", "Hosts that pull at once from one origin."),
  origins: option(
    countText(1, 64),
    "3",
    `Origins; a blob is on at most ${askLimits.originReplicas} of them.`
  ),
  trackers: option(countText(1, 16), "3", "Trackers that the agents know."),
  rate: option(byteRateText, "300MB/s", "Uplink and downlink of every host, each."),
  latency: option(durationText, "0.5ms", "One way, between any two hosts."),
  links: linksOption
})

interface Input {
  readonly options: ScaleOptions
  readonly point: ScalePoint
  readonly seed: number
}

const sizeText = Schema.encodeSync(byteSizeText)

const cells = (options: ScaleOptions, seeds: ReadonlyArray<number>): ReadonlyArray<Cell<Input>> =>
  pointsOf(options).flatMap((point) =>
    seeds.map((seed) => {
      const spec = crowdAt(point, options, seed)
      return {
        label: `${labelOf(point)}, seed ${seed}`,
        input: { options, point, seed },
        // Starting a host costs about as much as some hundred pieces.
        cost: point.agents * (point.bytes / spec.blobs[0].pieceLength + 100),
        memory: crowdMemory(spec)
      }
    })
  )

const measure = (
  { options, point, seed }: Input,
  progress: Progress
): Effect.Effect<PointOutcome, ExperimentFailed> => {
  const spec = crowdAt(point, options, seed)
  return runFlashCrowd(spec, {}, progress).pipe(
    Effect.map(({ completions, allOutside, traceHash, events }) => ({
      traceHash,
      events,
      times: timesAgainst(
        boundOf(spec).seconds,
        completions.map((at) => at / 1e6)
      ),
      copiesUntilOutside: allOutside.sentByOrigins / point.bytes
    })),
    Effect.mapError(
      ({ message }) =>
        new ExperimentFailed({ experiment: name, message: `${name}: ${labelOf(point)}: ${message}` })
    )
  )
}

const tableOf = (points: ReadonlyArray<MeasuredPoint>): Table => ({
  title: "Every point",
  caption:
    "Times in seconds since all hosts asked. The share is that of the line rate that the slowest host got.",
  columns: [
    "hosts",
    "blob",
    "origins",
    "bound",
    "p50",
    "slowest",
    "ratio of the slowest",
    "share",
    "copies sent"
  ],
  rows: points.map(({ agents, bytes, origins, times, lineShare, copiesUntilOutside }) => [
    agents,
    sizeText(bytes),
    origins,
    times.bound_s,
    times.p50_s,
    times.max_s,
    times.ratio.max,
    percent(lineShare),
    copiesUntilOutside
  ])
})

const shareFigure = (point: MeasuredPoint): Figure => ({
  value: point.lineShare,
  unit: "",
  meaning: `Share of its line rate that the slowest of ${labelOf(point)} got.`
})

const conclude = (
  options: ScaleOptions,
  seeds: ReadonlyArray<number>,
  outcomes: ReadonlyArray<PointOutcome>
): Effect.Effect<Measured, ExperimentFailed> =>
  Effect.sync(() => {
    const at = measuredAt(options, seeds.length, outcomes)
    const series = seriesOf(options)
    const [overHosts, overBytes, oneSeeder] = [
      series.overHosts.map(at),
      series.overBytes.map(at),
      series.oneSeeder.map(at)
    ]
    const all = pointsOf(options).map(at)
    const shown: ReadonlyArray<readonly [name: string, point: MeasuredPoint | undefined]> = [
      ["line_share_most_hosts", overHosts.at(-1)],
      ["line_share_largest", overBytes.at(-1)],
      ["line_share_huge", at(series.huge)],
      ["line_share_one_seeder", oneSeeder[0]],
      ["line_share_one_seeder_3", oneSeeder[1]],
      ["line_share_one_seeder_10", oneSeeder[2]]
    ]
    return {
      bound: "the counting bound of each flash crowd, with one latency.",
      strategies: Object.fromEntries(all.map((point) => [`shoal, ${labelOf(point)}`, { blob: point.times }])),
      figures: Object.fromEntries(
        shown.flatMap(([name, point]) => (point === undefined ? [] : [[name, shareFigure(point)]]))
      ),
      tables: [tableOf(all)],
      charts: [
        hostsChart(overHosts, sizeText(options.size)),
        bytesChart(overBytes, `${options.hosts} hosts`),
        lineShareChart(
          overBytes,
          `${options.hosts} hosts, ${options.origins} origins`,
          oneSeeder,
          `${options["seeder-hosts"]} hosts, one origin`
        )
      ]
    }
  })

export const scale = defineExperiment({
  name,
  title: "Scale",
  question: "From how many hosts, and from which size of a blob on, does size matter?",
  options,
  method: [
    "Each point is a flash crowd as in first-wave: the shipped programs with the shipped defaults, all agents " +
      "asked at the same instant, times in virtual seconds since then until the blob is verified and committed. " +
      "Kraken says that neither the number of hosts nor the size of the image matters much. The series show where " +
      "that ends, by the share of its line rate that the slowest host gets.",
    "One seeder: a single origin has the blob, and all hosts ask at the same instant, which is harder than within " +
      "the same second. Kraken gives 80 % of the line rate in theory and 60 % in practice for such a start; the " +
      "aim here is 90 % for the slowest with 1 GB, and 95 % with 3 GB and more.",
    "With several seeds, each percentile is the worst of all seeds. The length of pieces follows the rule of the " +
      "project: 256 KiB at least, 16 MiB at most, and about a thousand pieces in between."
  ],
  limits: [
    "All links are equal and nothing fails; disks and hashing cost virtual time at fixed rates, processors cost " +
      "none.",
    "Trackers answer without cost of processing: many hosts cost a tracker only its link.",
    "No host comes later than the others."
  ],
  quick: {
    size: "8MB",
    "most-hosts": "100",
    hosts: "40",
    largest: "30MB",
    huge: "100MB",
    "huge-hosts": "20",
    "seeder-hosts": "60"
  },
  seeds: "1",
  cells,
  measure,
  conclude,
  answer: answerOf
})
