// Observation of a flash crowd of the shipped roles: when each agent had each blob, how the bytes spread, and when
// every piece existed outside the origins. It only reads: counters of the peer machines, and pieces as they are stored.
// Instants are virtual microseconds since all agents were asked.

import { Effect } from "effect"
import { Bitfield } from "../../src/protocol/kit/bitfield.ts"
import { invariant } from "../../src/protocol/kit/invariant.ts"
import type { Micros } from "../../src/protocol/kit/time.ts"
import type { PeerHostCounters } from "../../src/protocol/swarm/peer-host-io.ts"
import type { Digest } from "../../src/protocol/wire/digest.ts"
import { pieceCount, pieceSize, type SwarmInfo, type Torrent } from "../../src/protocol/wire/metainfo.ts"
import type { PullError } from "../../src/roles/agent/downloads.ts"
import type { HostProgramError } from "../../src/roles/host-program.ts"
import type { Progress } from "../engine/progress.ts"
import type { CrowdOutcome, CrowdSample } from "./flash-crowd.ts"
import { type CrowdLinkUse, LinkUseWatch } from "./link-use.ts"
import { observingPieces, type PieceStored } from "./piece-observer.ts"
import { type CrowdStuck, runInSlices } from "./run-in-slices.ts"
import type { SimulatedCluster } from "./simulated-cluster.ts"

/** The outcome of a flash crowd of the shipped roles, with the counters of their machines. */
export interface ShoalOutcome extends CrowdOutcome {
  /** When each agent had stored the first piece of the image. */
  readonly firstPieces: ReadonlyArray<Micros>
  /** When each agent had stored the last piece of the image. */
  readonly lastPieces: ReadonlyArray<Micros>
  readonly agents: PeerHostCounters
  readonly origins: PeerHostCounters
  /** How much origins used their links until the last agent was done. */
  readonly originLinkUse: CrowdLinkUse
}

export interface WatchOptions {
  readonly cluster: SimulatedCluster
  /** The image, preloaded. */
  readonly torrents: ReadonlyArray<Torrent>
  readonly agents: number
  /** The numbers of the blobs that an agent wants, at least one; all of them when absent. */
  readonly wants?: (agent: number) => ReadonlyArray<number>
  /** Bytes per second, each way, of the links of an agent. */
  readonly rateOf: (agent: number) => number
  /** The same of the links of every origin. */
  readonly originRate: number
  /** Time between two samples; it doubles whenever there are too many. */
  readonly sampleEvery: Micros
  readonly patience: Micros
  readonly progress: Progress
}

const namespace = "experiment"

/** The most samples that are kept: enough for a chart. When there are more, every second one is dropped. */
const maxSamples = 400

const sumOfCounters = (all: ReadonlyArray<PeerHostCounters>): PeerHostCounters => {
  const [first] = all
  invariant(first !== undefined, "a flash crowd has agents and origins")
  const sum = { ...first }
  for (const key of Object.keys(sum) as ReadonlyArray<keyof PeerHostCounters>) {
    sum[key] = all.reduce((total, counters) => total + counters[key], 0)
  }
  return sum
}

/** Starts the cluster, asks all agents for their blobs at once, and ends when all pulls are done or one fails. */
export const watchFlashCrowd = (
  options: WatchOptions
): Effect.Effect<ShoalOutcome, HostProgramError | PullError | CrowdStuck> =>
  Effect.gen(function* () {
    const { cluster, torrents, agents: count, progress } = options
    const { simulation } = cluster
    const { kernel } = simulation
    const metainfos = torrents.map(({ metainfo }) => metainfo)
    const everything = metainfos.map((_, blob) => blob)
    const wants = Array.from({ length: count }, (_, agent) => options.wants?.(agent) ?? everything)
    const wantedBytes = wants.flat().reduce((bytes, blob) => bytes + metainfos[blob]!.length, 0)

    let began: Micros = 0
    let storedBytes = 0
    let pieceTransfers = 0
    let inside = metainfos.reduce((pieces, metainfo) => pieces + pieceCount(metainfo), 0)
    const isOutside = new Map<Digest, Bitfield>(
      metainfos.map((metainfo) => [metainfo.digest, new Bitfield(pieceCount(metainfo))])
    )
    const firstPieces: Array<Micros> = new Array(count)
    const lastPieces: Array<Micros> = new Array(count)
    let allOutside = { at: 0, sentByOrigins: 0 }
    const observe =
      (agent: number) =>
      (metainfo: SwarmInfo): PieceStored => {
        const outside = isOutside.get(metainfo.digest)
        invariant(outside !== undefined, `agents store blobs of the image only, not ${metainfo.digest}`)
        return (piece) => {
          const at = kernel.now - began
          storedBytes += pieceSize(metainfo, piece)
          pieceTransfers++
          lastPieces[agent] = at
          firstPieces[agent] ??= at
          if (outside.has(piece)) return
          outside.set(piece)
          if (--inside === 0) allOutside = { at, sentByOrigins: sentByOrigins() }
        }
      }

    const running = yield* simulation.runExit(
      cluster.start((program, agent) => observingPieces(program, observe(agent)))
    )
    const machines = running.agents.map((agent) => agent.role.engine.machine)
    const originMachines = running.origins.map((origin) => origin.role.engine.machine)
    const sentByOrigins = (): number =>
      originMachines.reduce((total, machine) => total + machine.counters.bytesSent, 0)

    let samples: Array<CrowdSample> = []
    let sampleEvery = options.sampleEvery
    const look = (): void => {
      const fromOrigins = machines.reduce(
        (total, { counters }) => total + counters.bytesReceivedFromOrigins,
        0
      )
      if (samples.length === maxSamples) {
        samples = samples.filter((_, index) => index % 2 === 0)
        sampleEvery *= 2
      }
      samples.push({ at: kernel.now - began, storedBytes, fromOrigins, sentByOrigins: sentByOrigins() })
      progress.update(storedBytes / wantedBytes, `of what ${count} agents want has arrived`)
    }

    began = kernel.now
    const linkWatch = (hosts: ReadonlyArray<{ readonly name: string }>, rateOf: (host: number) => number) => {
      const places = hosts.map(({ name }) => simulation.machine(name).host)
      return new LinkUseWatch(places.length, rateOf, (host) => simulation.network.use(places[host]!))
    }
    const linkUse = linkWatch(running.agents, options.rateOf)
    const originLinkUse = linkWatch(running.origins, () => options.originRate)
    const completions: Array<Micros> = new Array(count)
    const blobs = metainfos.map(({ digest }) => ({ digest, completions: new Array<Micros>(count) }))
    const blobsLeft = wants.map((own) => own.length)
    const pullCount = wants.flat().length
    let missing = pullCount
    const downloads = running.agents.flatMap((agent, index) =>
      wants[index]!.map((blob) => ({ agent, index, blob: blobs[blob]! }))
    )
    const pulls = Effect.forEach(
      downloads,
      ({ agent, index, blob }) =>
        Effect.map(agent.role.pull(namespace, blob.digest), () => {
          const took = kernel.now - began
          blob.completions[index] = took
          missing--
          if (--blobsLeft[index]! > 0) return
          completions[index] = took
          linkUse.completed(index, took)
        }),
      { concurrency: "unbounded", discard: true }
    )
    yield* runInSlices(simulation, pulls, {
      every: () => sampleEvery,
      look,
      patience: options.patience,
      missing: () => `${missing} of ${pullCount} pulls are not done`
    })

    for (const origin of running.origins.keys()) originLinkUse.completed(origin, kernel.now - began)
    const agents = sumOfCounters(machines.map((machine) => machine.counters))
    const origins = sumOfCounters(originMachines.map((machine) => machine.counters))
    const stats = simulation.stats()
    return {
      traceHash: simulation.traceHash(),
      events: stats.events,
      completions,
      blobCompletions: blobs.map((blob) => blob.completions),
      samples,
      allOutside,
      pieceTransfers,
      bytesFromOrigins: agents.bytesReceivedFromOrigins,
      bytesFromAgents: agents.bytesReceivedFromAgents,
      bytesSent: stats.bytesSent,
      counts: {
        requests_sent: agents.requestsSent,
        rejects_received: agents.rejectsReceived,
        requests_timed_out: agents.requestsTimedOut,
        duplicate_pieces: agents.piecesDuplicate,
        piece_bytes_sent_by_origins: origins.bytesSent,
        piece_bytes_sent_by_agents: agents.bytesSent
      },
      linkUse: linkUse.summary(),
      firstPieces,
      lastPieces,
      agents,
      origins,
      originLinkUse: originLinkUse.summary()
    }
  })
