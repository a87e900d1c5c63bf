// The experiment several-images: hosts that pull different images with common layers at the same time. catalogue.ts
// draws who wants what, fluid-bound.ts says what no protocol can beat.

import { Effect, Schema } from "effect"
import { type Cell, defineExperiment, ExperimentFailed, type Measured, option } from "../engine/experiment.ts"
import { byteRateText, byteSizeText, countText, durationText } from "../engine/option-text.ts"
import type { Progress } from "../engine/progress.ts"
import { crowdMemory } from "../flash-crowd/crowd-run.ts"
import { linksOption } from "../flash-crowd/links-option.ts"
import { timesAgainst } from "../report/result.ts"
import { drawCatalogue } from "./catalogue.ts"
import { maxOrigins } from "./fluid-bound.ts"
import { answerOf } from "./several-images-answer.ts"
import { blobsChart, hostsChart } from "./several-images-charts.ts"
import { figuresOf, popularityTable, seedsTable } from "./several-images-figures.ts"
import { type ImagesOutcome, runSeveralImages, type SeveralImages } from "./several-images-run.ts"

const name = "several-images"

const options = Schema.Struct({
  agents: option(countText(2, 10_000), "60", "Hosts that pull, all at the same instant."),
  origins: option(countText(1, maxOrigins), "5", "Origins; each blob is on at most three of them."),
  trackers: option(countText(1, 16), "3", "Trackers that the agents know."),
  catalogue: option(countText(1, 10_000), "80", "Number of blobs to draw from."),
  wanted: option(countText(1, 1_000), "20", "Blobs that each host wants."),
  shortest: option(byteSizeText, "50MB", "Length of the shortest blob."),
  longest: option(byteSizeText, "500MB", "Length of the longest blob."),
  rate: option(byteRateText, "300MB/s", "Uplink and downlink of every host, each."),
  latency: option(durationText, "0.5ms", "One way, between any two hosts."),
  links: linksOption
})
type Options = typeof options.Type

const refuse = ({ catalogue, wanted, shortest, longest }: Options): string | undefined => {
  if (wanted > catalogue) return `--wanted ${wanted}: the catalogue has ${catalogue} blobs`
  return shortest > longest ? "--shortest: the shortest blob is longer than the longest" : undefined
}

const cells = (options: Options, seeds: ReadonlyArray<number>): ReadonlyArray<Cell<SeveralImages>> =>
  seeds.map((seed) => {
    const { blobs, wants } = drawCatalogue({ ...options, seed })
    const [first, ...others] = wants[0]!.map((blob) => blobs[blob]!)
    return {
      label: `seed ${seed}`,
      input: { ...options, seed },
      cost: 1,
      memory: crowdMemory({ agents: options.agents, blobs: [first!, ...others] })
    }
  })

const measure = (input: SeveralImages, progress: Progress): Effect.Effect<ImagesOutcome, ExperimentFailed> =>
  Effect.mapError(
    runSeveralImages(input, progress),
    ({ message }) => new ExperimentFailed({ experiment: name, message: `${name}: ${message}` })
  )

const conclude = (
  options: Options,
  seeds: ReadonlyArray<number>,
  outcomes: ReadonlyArray<ImagesOutcome>
): Effect.Effect<Measured, ExperimentFailed> =>
  Effect.sync(() => ({
    bound:
      "the fluid bound of each seed: the larger of the floors of the hosts' downlinks and of the origins' uplinks.",
    strategies: Object.fromEntries(
      outcomes.map(({ bound, completions }, index) => [
        `shoal, seed ${seeds[index]}`,
        { image: timesAgainst(bound, completions) }
      ])
    ),
    figures: figuresOf(outcomes),
    tables: [seedsTable(seeds, outcomes), popularityTable(options.agents, outcomes)],
    charts: [hostsChart(seeds, outcomes), blobsChart(outcomes)]
  }))

export const severalImages = defineExperiment({
  name,
  title: "Several images at once",
  question: "How near the bound are hosts that pull different images with common layers at the same time?",
  options,
  method: [
    "The shipped programs run on the simulator with the shipped defaults. A catalogue has blobs between the shortest " +
      "and the longest, spread evenly over the logarithm of their length, in pieces as a push chooses them. Every " +
      "host wants a number of different blobs, drawn by Zipf's law: the blob of rank r in proportion to 1 / r^1.2. A " +
      "few are wanted by almost every host, many by a few. All hosts are asked for all of their blobs at the same " +
      "instant, and a host is done when each is verified to the last byte. Each seed draws a catalogue of its own.",
    "The bound is the larger of two floors. A host receives the bytes that it wants on its own downlink. And the " +
      "origins send every blob at least once: for every set of origins, the blobs that only these have leave over " +
      "their uplinks. Uplinks of agents add nothing, because all links are equal and a host never needs to send more " +
      "than it receives. So the bound is the optimum of the linear program of all links, of bytes without pieces. A " +
      "run fails when its last host beats the bound, or a host the floor of its own downlink.",
    "Shares of links are of the time until each agent was done: busy is the part in which pieces were on the link, at " +
      "whatever rate, and carried is what it carried over what it could have carried."
  ],
  limits: [
    "All links are equal, all hosts begin at once, and nothing fails.",
    "Every host keeps what it has and nobody has anything before; only hosts that want a blob serve it.",
    "The bound does not count that a piece must be whole before it goes on."
  ],
  quick: {
    agents: "24",
    catalogue: "24",
    wanted: "6",
    shortest: "4MB",
    longest: "40MB",
    rate: "30MB/s",
    seed: "1,2"
  },
  seeds: "1-3",
  refuse,
  cells,
  measure,
  conclude,
  answer: answerOf
})
