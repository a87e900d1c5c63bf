// What the hosts of a measurement have counted, read from outside: the kernel's counters of each link and of TCP, and
// the metrics of each process. Two looks and their difference give what a flash crowd has cost.
//
// Invariant: a counter that is missing is a failure, not a zero.

import { Effect } from "effect"
import { HttpClient } from "effect/http"
import { CliFailure } from "./cli-failure.ts"
import { type NamespacePlan, type NamespaceProcess, portOf, shapedDevice } from "./namespace-plan.ts"
import { callProgram } from "./network-namespaces.ts"

export interface HostCounters {
  /** Bytes of the shaped link with Ethernet headers. */
  readonly linkSent: number
  readonly linkReceived: number
  /** Packets that the shaper of the uplink, and that of the downlink, had no room for. */
  readonly uplinkDrops: number
  readonly downlinkDrops: number
  readonly segmentsSent: number
  readonly segmentsRetransmitted: number
  readonly pieceBytesSent: number
  readonly pieceBytesFromAgents: number
  readonly pieceBytesFromOrigins: number
  readonly piecesStored: number
  /** Pieces that came again, or were not requested. */
  readonly piecesWasted: number
  readonly requests: number
  readonly rejectsSent: number
  readonly timeouts: number
}

const ip = (namespace: string, ...args: ReadonlyArray<string>) =>
  callProgram({ program: "ip", args: ["-n", namespace, ...args] })

const failed = (what: string) => new CliFailure({ message: `the counters of the hosts: ${what}` })

interface LinkStatistics {
  readonly stats64: { readonly rx: { readonly bytes: number }; readonly tx: { readonly bytes: number } }
}

const linkBytes = (namespace: string) =>
  Effect.map(ip(namespace, "-s", "-j", "link", "show", "dev", shapedDevice), (text) => {
    const [link] = JSON.parse(text) as ReadonlyArray<LinkStatistics>
    return { sent: link!.stats64.tx.bytes, received: link!.stats64.rx.bytes }
  })

const drops = (namespace: string, device: string) =>
  Effect.map(
    callProgram({ program: "tc", args: ["-n", namespace, "-s", "-j", "qdisc", "show", "dev", device] }),
    (text) => {
      const all = JSON.parse(text) as ReadonlyArray<{ readonly drops?: number; readonly root?: boolean }>
      return all.find(({ root }) => root === true)?.drops ?? 0
    }
  )

/** Two lines: names, and values in the same order. */
const tcpCounters = (namespace: string) =>
  Effect.flatMap(
    callProgram({ program: "ip", args: ["netns", "exec", namespace, "cat", "/proc/net/snmp"] }),
    (text) => {
      const [names = [], values = []] = text
        .split("\n")
        .filter((line) => line.startsWith("Tcp:"))
        .map((line) => line.split(" "))
      const of = (name: string): number => Number(values[names.indexOf(name)] ?? Number.NaN)
      const segments = { sent: of("OutSegs"), retransmitted: of("RetransSegs") }
      return Number.isNaN(segments.sent + segments.retransmitted)
        ? failed("/proc/net/snmp has no TCP segments")
        : Effect.succeed(segments)
    }
  )

/** The sum of all series of `name` of which the labels contain `label`. */
const sumOf = (text: string, name: string, label = ""): number =>
  text
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) && line.includes(label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0)

const metricsOf = (url: string) =>
  Effect.gen(function* () {
    const response = yield* HttpClient.get(url)
    const text = yield* response.text
    return response.status === 200 ? text : yield* failed(`${url} answers ${response.status}`)
  }).pipe(Effect.mapError((error) => (error._tag === "CliFailure" ? error : failed(error.message))))

/** Reads all counters of the hosts, in their order. */
export const readCounters = (plan: NamespacePlan, processes: ReadonlyArray<NamespaceProcess>) =>
  Effect.forEach(processes, ({ host, metrics }, index) =>
    Effect.gen(function* () {
      const text = yield* metricsOf(metrics)
      const link = yield* linkBytes(host.namespace)
      const tcp = yield* tcpCounters(host.namespace)
      return {
        linkSent: link.sent,
        linkReceived: link.received,
        uplinkDrops: yield* drops(host.namespace, shapedDevice),
        downlinkDrops: yield* drops(plan.switchNamespace, portOf(index)),
        segmentsSent: tcp.sent,
        segmentsRetransmitted: tcp.retransmitted,
        pieceBytesSent: sumOf(text, "shoal_piece_bytes_sent_total"),
        pieceBytesFromAgents: sumOf(text, "shoal_piece_bytes_received_total", 'source="agent"'),
        pieceBytesFromOrigins: sumOf(text, "shoal_piece_bytes_received_total", 'source="origin"'),
        piecesStored: sumOf(text, "shoal_pieces_total", 'outcome="stored"'),
        piecesWasted:
          sumOf(text, "shoal_pieces_total", 'outcome="duplicate"') +
          sumOf(text, "shoal_pieces_total", 'outcome="unrequested"'),
        requests: sumOf(text, "shoal_requests_sent_total"),
        rejectsSent: sumOf(text, "shoal_rejects_sent_total"),
        timeouts: sumOf(text, "shoal_requests_timed_out_total")
      } satisfies HostCounters
    })
  )

/** What each host counted between two looks. */
export const countedBetween = (
  before: ReadonlyArray<HostCounters>,
  after: ReadonlyArray<HostCounters>
): ReadonlyArray<HostCounters> =>
  after.map((later, index) => {
    const earlier = before[index]!
    const names = Object.keys(later) as ReadonlyArray<keyof HostCounters>
    return Object.fromEntries(
      names.map((name) => [name, later[name] - earlier[name]])
    ) as unknown as HostCounters
  })

/** The same, of all hosts together. */
export const sumOfCounters = (all: ReadonlyArray<HostCounters>): HostCounters => {
  const names = Object.keys(all[0] ?? {}) as ReadonlyArray<keyof HostCounters>
  return Object.fromEntries(
    names.map((name) => [name, all.reduce((sum, counters) => sum + counters[name], 0)])
  ) as unknown as HostCounters
}
