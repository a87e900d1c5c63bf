// What `shoal measure --namespaces` prints, and the medians over runs. Pure.

import { Schema } from "effect"
import { byteRateText, byteSizeText, durationText } from "../../experiments/engine/option-text.ts"
import { ascending, quantile } from "../../experiments/report/quantiles.ts"
import { rounded } from "../../experiments/report/result.ts"
import type { ShapedRun } from "../../experiments/sim-versus-net/measured.ts"
import {
  boundOfLinks,
  goodputOfLinks,
  limitOf,
  mtu,
  type ShapedLinks
} from "../../experiments/sim-versus-net/simulated-links.ts"
import { type HostCounters, sumOfCounters } from "./namespace-counters.ts"
import type { NamespaceRun, NamespaceRunOptions } from "./namespace-run.ts"

const sizeText = Schema.encodeSync(byteSizeText)
const rateText = Schema.encodeSync(byteRateText)
const delayText = Schema.encodeSync(durationText)

/** Half of the agents, and the last one; seconds, or ratios to the bound. */
export interface CrowdTimes {
  readonly p50: number
  readonly slowest: number
}

export const timesOf = (completions: ReadonlyArray<number>): CrowdTimes => {
  const sorted = ascending(completions)
  return { p50: quantile(sorted, 500), slowest: quantile(sorted, 1000) }
}

const middle = (values: ReadonlyArray<number>): number => quantile(ascending(values), 500)

/** The medians over runs or seeds, of each number separately. */
export const medianTimes = (all: ReadonlyArray<CrowdTimes>): CrowdTimes => ({
  p50: middle(all.map(({ p50 }) => p50)),
  slowest: middle(all.map(({ slowest }) => slowest))
})

const percentText = (share: number, digits = 0): string => `${(100 * share).toFixed(digits)} %`
const signedPercent = (share: number): string => `${share < 0 ? "" : "+"}${percentText(share, 1)}`
const kilobytes = (bytes: number): string => `${(bytes / 1e3).toFixed(0)} kB`
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

/** Seconds, and in brackets their ratio to the bound. */
const againstBound = ({ p50, slowest }: CrowdTimes, bound: number): string =>
  `p50 ${p50.toFixed(2)} s (${(p50 / bound).toFixed(3)}), slowest ${slowest.toFixed(2)} s (${(slowest / bound).toFixed(3)})`

/** Shaper, queue and TCP in a few words. */
export const linksText = ({ shape, congestion, settings }: NamespaceRunOptions): string =>
  [
    `${shape.shaper}, burst ${sizeText(shape.burst)}, queue ${sizeText(shape.queue)}`,
    ...(shape.delay === 0 ? [] : [`${delayText(shape.delay)} of delay`]),
    congestion,
    ...settings
  ].join(", ")

export const setUpLines = (options: NamespaceRunOptions): ReadonlyArray<string> => {
  const { agents, size, pieceLength, rate } = options
  const limit = limitOf(options)
  const pieces = Math.ceil(size / pieceLength)
  return [
    `${agents} agents and a herd, each in a namespace of its own; links of ${(8 * rate) / 1e6} Mbit/s each way ` +
      `(${linksText(options)})`,
    `blob of ${sizeText(size)} in ${pieces} pieces of ${sizeText(pieceLength)}; own limits ` +
      `${limit === undefined ? "off" : `on at ${rateText(limit)}, ${percentText(options.limiter ?? 0)} of the goodput`}`,
    `goodput ${rateText(goodputOfLinks(options))} of ${rateText(rate)}: segments of ${mtu - 52} bytes in frames of ` +
      `${mtu + 14}, an acknowledgement of 66 bytes for two segments, WebSocket and piece headers`,
    `bound ${boundOfLinks(options).toFixed(2)} s: counting bound at ${limit === undefined ? "that goodput" : "the own limits"}`
  ]
}

export const predictedLine = (name: string, times: CrowdTimes, links: ShapedLinks, rejects: number): string =>
  `${name} predicts  ${againstBound(times, boundOfLinks(links))}, ${rejects.toFixed(2)} Rejects a piece`

/** Piece transfers that the flash crowd needs. */
const transfers = ({ agents, size, pieceLength }: ShapedLinks): number =>
  agents * Math.ceil(size / pieceLength)

const overhead = ({ linkSent, pieceBytesSent }: HostCounters): number =>
  pieceBytesSent === 0 ? 0 : linkSent / pieceBytesSent - 1

export const runLines = (
  number: number,
  run: NamespaceRun,
  links: ShapedLinks,
  mostBusy: number
): ReadonlyArray<string> => {
  const all = sumOfCounters(run.hosts)
  const [herd] = run.hosts
  const bound = boundOfLinks(links)
  const handedOver = timesOf(run.delivered).slowest - timesOf(run.completed).slowest
  return [
    `run ${number}: ${againstBound(timesOf(run.completed), bound)}, to the client ${handedOver.toFixed(2)} s later; ` +
      `processors ${percentText(run.cpu)} (machine ${percentText(run.machine)}` +
      `${run.machine > mostBusy ? ", too busy to count on" : ""})`,
    `       ${(all.rejectsSent / transfers(links)).toFixed(3)} Rejects a piece, ${all.timeouts} timeouts, ` +
      `${all.piecesWasted} pieces twice; ${percentText(all.segmentsRetransmitted / all.segmentsSent, 2)} of segments again, ` +
      `${all.uplinkDrops} and ${all.downlinkDrops} packets dropped (up, down)`,
    `       origin sent ${megabytes(herd!.pieceBytesSent)} (${(herd!.pieceBytesSent / links.size).toFixed(2)} copies), ` +
      `links carried ${percentText(overhead(all), 1)} more than pieces`,
    `       an agent's kernel held ${kilobytes(run.sockets.bytes)} (${percentText(run.sockets.unsent / Math.max(1, run.sockets.bytes))} ` +
      `not sent yet) of ${run.sockets.sending.toFixed(1)} peers, at most ${kilobytes(run.sockets.most)} of one`
  ]
}

const thousandths = (value: number): number => rounded(Math.round(value * 1000) / 1000)

/** A run in the form of measured.json. */
export const shapedRunOf = (run: NamespaceRun, links: ShapedLinks): ShapedRun => {
  const all = sumOfCounters(run.hosts)
  const [first, ...others] = ascending(run.completed).map(thousandths)
  return {
    completions_s: [first!, ...others],
    cpu_share: thousandths(run.cpu),
    machine_busy: thousandths(run.machine),
    rejects_per_piece: thousandths(all.rejectsSent / transfers(links)),
    resent_share: rounded(all.segmentsRetransmitted / all.segmentsSent)
  }
}

/** One line per host. */
export const hostLines = (run: NamespaceRun): ReadonlyArray<string> => {
  const row = (cells: ReadonlyArray<string>): string =>
    cells.map((cell, index) => (index === 0 ? cell.padEnd(9) : cell.padStart(11))).join("")
  const head = [
    "done, s",
    "sent, MB",
    "from agents",
    "origin",
    "link out",
    "link in",
    "Rejects",
    "again",
    "drops"
  ]
  return [
    row(["host", ...head]),
    ...run.hosts.map((host, index) =>
      row([
        index === 0 ? "herd" : `agent-${index}`,
        run.completed[index - 1]?.toFixed(2) ?? "",
        ...[host.pieceBytesSent, host.pieceBytesFromAgents, host.pieceBytesFromOrigins].map((bytes) =>
          (bytes / 1e6).toFixed(1)
        ),
        (host.linkSent / 1e6).toFixed(1),
        (host.linkReceived / 1e6).toFixed(1),
        String(host.rejectsSent),
        String(host.segmentsRetransmitted),
        `${host.uplinkDrops}+${host.downlinkDrops}`
      ])
    )
  ]
}

/** `p50` and `slowest` are the predicted times over the measured ones. */
export const offByLine = (p50: number, slowest: number): string =>
  `prediction off by ${signedPercent(p50 - 1)} (p50) and ${signedPercent(slowest - 1)} (slowest)`

export const conclusionLines = (
  measured: CrowdTimes,
  runs: number,
  predicted: CrowdTimes | undefined,
  links: ShapedLinks
): ReadonlyArray<string> => [
  `measured  ${againstBound(measured, boundOfLinks(links))}${runs > 1 ? `, medians of ${runs} runs` : ""}`,
  ...(predicted === undefined
    ? []
    : [offByLine(predicted.p50 / measured.p50, predicted.slowest / measured.slowest)])
]
