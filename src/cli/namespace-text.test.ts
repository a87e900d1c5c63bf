// Tests of what a measurement in namespaces prints: medians, ratios to the bound, and the sign of a wrong prediction.

import { describe, expect, it } from "vitest"
import { boundOfLinks } from "../../experiments/sim-versus-net/simulated-links.ts"
import type { HostCounters } from "./namespace-counters.ts"
import type { NamespaceRun } from "./namespace-run.ts"
import { socketsIn } from "./namespace-sockets.ts"
import { conclusionLines, hostLines, medianTimes, runLines, timesOf } from "./namespace-text.ts"

const MiB = 1024 * 1024
const links = { agents: 2, size: 4 * MiB, pieceLength: MiB, rate: 2_500_000 }

const host: HostCounters = {
  linkSent: 8_560_000,
  linkReceived: 9_000_000,
  uplinkDrops: 1,
  downlinkDrops: 2,
  segmentsSent: 1000,
  segmentsRetransmitted: 5,
  pieceBytesSent: 8_000_000,
  pieceBytesFromAgents: 3_000_000,
  pieceBytesFromOrigins: 1_000_000,
  piecesStored: 4,
  piecesWasted: 0,
  requests: 5,
  rejectsSent: 4,
  timeouts: 0
}

const run: NamespaceRun = {
  delivered: [2.5, 3],
  completed: [2.4, 2.9],
  cpu: 0.3,
  machine: 0.7,
  hosts: [host, host, host],
  sockets: { looks: 10, sending: 3, bytes: 400_000, most: 200_000, unsent: 100_000 }
}

describe("the medians", () => {
  it("are those of each number, at nearest rank", () => {
    expect(timesOf([4, 1, 3, 2])).toEqual({ p50: 2, slowest: 4 })
    expect(
      medianTimes([
        { p50: 1, slowest: 9 },
        { p50: 3, slowest: 5 },
        { p50: 2, slowest: 7 }
      ])
    ).toEqual({ p50: 2, slowest: 7 })
  })
})

describe("the text", () => {
  it("of a run gives ratios, shares and whether the machine was too busy", () => {
    const bound = boundOfLinks(links)
    const text = runLines(1, run, links, 0.6).join("\n")
    expect(text).toContain(
      `p50 2.40 s (${(2.4 / bound).toFixed(3)}), slowest 2.90 s (${(2.9 / bound).toFixed(3)})`
    )
    expect(text).toContain("to the client 0.10 s later; processors 30 % (machine 70 %, too busy to count on)")
    expect(text).toContain("1.500 Rejects a piece, 0 timeouts")
    expect(text).toContain("0.50 % of segments again, 3 and 6 packets dropped (up, down)")
    expect(text).toContain("origin sent 8.0 MB (1.91 copies), links carried 7.0 % more than pieces")
    expect(text).toContain("held 400 kB (25 % not sent yet) of 3.0 peers, at most 200 kB of one")
    expect(runLines(1, run, links, 0.8).join("\n")).not.toContain("too busy")
    expect(hostLines(run)).toHaveLength(4)
  })

  it("of the conclusion says by how much the prediction is off", () => {
    const lines = conclusionLines({ p50: 2, slowest: 4 }, 3, { p50: 2.1, slowest: 3 }, links)
    expect(lines[0]).toContain("medians of 3 runs")
    expect(lines[1]).toBe("prediction off by +5.0 % (p50) and -25.0 % (slowest)")
    expect(conclusionLines({ p50: 2, slowest: 4 }, 1, undefined, links)).toHaveLength(1)
  })
})

describe("the sockets in the output of ss", () => {
  it("count when they have something to send", () => {
    const text =
      "ESTAB 0 1000 198.18.0.3:36532 198.18.0.11:5001 cubic cwnd:10 notsent:400 minrtt:0.02\n" +
      "ESTAB 0 0    198.18.0.3:36533 198.18.0.12:5001 cubic cwnd:10\n" +
      "ESTAB 7 3000 198.18.0.3:36534 198.18.0.13:5001 cubic cwnd:10\n"
    expect(socketsIn(text)).toEqual({ sending: 2, bytes: 4000, most: 3000, unsent: 400 })
    expect(socketsIn("")).toEqual({ sending: 0, bytes: 0, most: 0, unsent: 0 })
  })
})
