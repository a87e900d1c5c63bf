// The experiment sim-versus-net: whether the simulator predicts how long real processes take, on loopback with the
// product's own limits and on links that the kernel shapes. Each measurement of real processes is a cell: the same
// options on simulated hosts. sim-versus-net-conclusion.ts compares the figures.

import { readFileSync } from "node:fs"
import { Effect, Schema } from "effect"
import { invariant } from "../../src/protocol/kit/invariant.ts"
import type { Micros } from "../../src/protocol/kit/time.ts"
import {
  type Cell,
  type CellOutcome,
  defineExperiment,
  ExperimentFailed,
  option
} from "../engine/experiment.ts"
import { byteRateText, durationText } from "../engine/option-text.ts"
import {
  type MeasuredFile,
  type Measurement,
  meanTimes,
  measuredFileOf,
  type ShapedMeasurement
} from "./measured.ts"
import { answerOf } from "./sim-versus-net-answer.ts"
import { comparedWith, concludeSimVersusNet } from "./sim-versus-net-conclusion.ts"
import { simulateLinks } from "./simulated-links.ts"
import { calibratedCosts, type LoopbackCosts, simulateLoopback } from "./simulated-loopback.ts"

const name = "sim-versus-net"

const measuredFile = new URL("./measured.json", import.meta.url)

/** The measurements of the report. Throws when the file does not fit its schema. */
export const readMeasured = (): MeasuredFile => measuredFileOf(readFileSync(measuredFile, "utf8"))

const options = Schema.Struct({
  latency: option(
    durationText,
    `${calibratedCosts.latency / 1000}ms`,
    "One way between two processes; calibrated."
  ),
  stagger: option(
    durationText,
    `${calibratedCosts.stagger / 1000}ms`,
    "Each agent begins this much after the one before; calibrated."
  ),
  "hand-over": option(
    byteRateText,
    `${calibratedCosts.handOver / 1e6}MB/s`,
    "Rate at which the processors hand all blobs to the asking process; calibrated."
  )
})
type Options = typeof options.Type

/** Exactly one of `measured`, on loopback, and `shaped`. */
interface Input {
  readonly measured?: Measurement["options"]
  readonly shaped?: ShapedMeasurement["options"]
  readonly costs: LoopbackCosts
  readonly seed: number
}

interface Outcome extends CellOutcome {
  readonly completions: ReadonlyArray<Micros>
}

/** Bytes that a simulated host needs, with the part of its pieces that it does not share. */
const memoryPerHost = 8 * 1024 ** 2

const failed = (reason: string): ExperimentFailed =>
  new ExperimentFailed({ experiment: name, message: `${name}: ${reason}` })

/** The least seconds of an agent: every piece has to leave the only origin, whose bucket holds a burst. */
const floorOf = ({ size, rate, burst }: Measurement["options"]): number => Math.max(0, size - burst) / rate

const costsOf = (options: Options): LoopbackCosts => ({
  latency: options.latency,
  stagger: options.stagger,
  handOver: options["hand-over"]
})

const cells = (options: Options, seeds: ReadonlyArray<number>): ReadonlyArray<Cell<Input>> => {
  const { measurements, shaped } = readMeasured()
  const costs = costsOf(options)
  const cell = (
    { name, options: { agents, size } }: Measurement | ShapedMeasurement,
    which: Pick<Input, "measured" | "shaped">
  ) =>
    seeds.map((seed) => ({
      label: `${name}, seed ${seed}`,
      input: { ...which, costs, seed },
      cost: agents * size,
      memory: agents * memoryPerHost + 3 * size
    }))
  return [
    ...measurements.flatMap((measurement) => cell(measurement, { measured: measurement.options })),
    ...shaped.flatMap((measurement) => cell(measurement, { shaped: measurement.options }))
  ]
}

const measureLoopback = (measured: Measurement["options"], { costs, seed }: Input) =>
  Effect.gen(function* () {
    const run = simulateLoopback(measured, costs, seed)
    const early = run.completions.find((at) => at / 1e6 < floorOf(measured))
    if (early === undefined) return run
    return yield* failed(
      `an agent was done after ${early / 1e6} s, before the last piece can have left the origin (${floorOf(measured)} s)`
    )
  })

const measure = (input: Input): Effect.Effect<Outcome, ExperimentFailed> => {
  const { measured, shaped, seed } = input
  if (measured !== undefined) return measureLoopback(measured, input)
  invariant(shaped !== undefined, "a cell has a measurement of one of the two kinds")
  return Effect.mapError(simulateLinks(shaped, "fair", seed), ({ message }) => failed(message))
}

const conclude = (options: Options, seeds: ReadonlyArray<number>, outcomes: ReadonlyArray<Outcome>) =>
  Effect.gen(function* () {
    const { machine, measurements, shaped } = readMeasured()
    if (measurements.length === 0) {
      return yield* failed("measured.json holds no measurement: take one with npm run measure -- --help")
    }
    /** Means over the seeds of measurement `index` of both kinds. */
    const simulated = (index: number) =>
      meanTimes(
        outcomes
          .slice(index * seeds.length, (index + 1) * seeds.length)
          .map(({ completions }) => completions.map((at) => at / 1e6))
      )
    return concludeSimVersusNet(
      machine,
      costsOf(options),
      measurements.map((measurement, index) => comparedWith(measurement, simulated(index))),
      shaped.map((measurement, index) => ({
        measurement,
        measured: meanTimes(measurement.runs.map((run) => run.completions_s)),
        simulated: simulated(measurements.length + index)
      }))
    )
  })

export const simVersusNet = defineExperiment({
  name,
  title: "The simulator against sockets",
  question: "Does the simulator say how long real processes take, before they are measured?",
  options,
  quick: { seed: "1" },
  seeds: "1-5",
  method: [
    "Measured: a herd and agents run as separate processes of the shipped command on loopback. Token buckets " +
      "(config `rates`) limit what each sends and receives, so that processors do not decide. Every process first " +
      "pulls another blob, like a host that has been running for a while. A blob of random bytes is pushed to the " +
      "proxy; then one process asks the registries of all agents for it at once. An agent is done when the last " +
      "byte of its answer arrives, which it holds back until the blob is complete, verified and committed. " +
      "Processes and folders are new for each run. `npm run measure -- --help` explains how; the results are " +
      "in experiments/sim-versus-net/measured.json.",
    "Simulated: the same programs run with the same configuration on simulated hosts and get the same requests; " +
      "the same token buckets pace pieces, links are fast, and bytes are real. Three constants stand for what no " +
      "configuration names: the time of a message between two processes, the processor time until an agent begins, " +
      "and the rate at which the processors hand all blobs to the asking process. They are fitted on the " +
      "measurement that is called calibration. The times of the others were written down before their first run " +
      "(predicted). The times that are compared (simulated) come from the sources of this report.",
    "The first three predictions (16 and 8 agents at 1 MB/s) were made without the third constant and were up to " +
      "11 % too short. In both worlds the bucket of the origin was always busy, but clients received hardly " +
      "anything of a blob until its last pieces came; then all of it moved at once through the shared processors. " +
      "The last two predictions were made with that in the model and with the latency fitted again, both on the " +
      "times of the calibration: only these two test the model as it is.",
    "On shaped links: a herd and agents run in network namespaces, one for each, with a link that the kernel shapes " +
      "each way (`npm run measure -- --namespaces`); an agent is done when it has verified and committed the blob. " +
      "The simulator has links of the goodput, which is what headers and acknowledgements leave, in the model `fair`, " +
      "and nothing is fitted. Ratios are to the counting bound of the goodput, or of the product's own limit where " +
      "that is on.",
    "No agent can be done before every piece has left the only origin once; a run with an earlier agent fails."
  ],
  links: ["fair"],
  limits: [
    "All processes share one machine: their use of the processors, and other work on it, are in the measured times.",
    "Rates are low, so that this sharing does not decide; the report does not show that the simulator is right at " +
      "line rate.",
    "Shaped links have no latency besides that of their queues, TCP's congestion control is that of the table, and " +
      "no packet is lost but where a queue is full.",
    "With bbr predictions are off by more than with cubic, Linux's default, because bbr does not share evenly on an " +
      "empty path: it takes the shortest round trip that it has seen, 12 microseconds here, for the path and keeps a " +
      "handful of segments under way. So the slowest agent is later, and the simulator shares evenly. Each is judged " +
      "apart.",
    "The processes ran the sources that are named with each run; where the protocol has changed since, the " +
      "simulated times differ for that reason too.",
    "These are a few runs on one machine, which cannot be repeated to the byte."
  ],
  cells,
  measure,
  conclude,
  answer: (_, findings) => answerOf(findings)
})
