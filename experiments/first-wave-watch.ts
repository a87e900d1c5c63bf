// Decides what is observed while a wave of agents pulls one blob: when each agent was done, how the bytes spread, and
// when every piece existed outside the origins. It only reads: counters of the peer machines, and pieces as they are
// stored. Instants are virtual microseconds since all agents were asked.

import { Data, Duration, Effect, Fiber } from "effect"
import { pieceCount, pieceSize, type Torrent } from "../src/protocol/metainfo.ts"
import type { PeerHostCounters } from "../src/protocol/peer-host-io.ts"
import type { Micros } from "../src/protocol/time.ts"
import type { PullError } from "../src/roles/downloads.ts"
import type { HostProgramError } from "../src/roles/host-program.ts"
import { observingPieces } from "./piece-observer.ts"
import type { Progress } from "./progress.ts"
import type { SimulatedCluster } from "./simulated-cluster.ts"

/** What the world looked like at one instant. Bytes are piece payloads that agents verified or origins sent. */
export interface WaveSample {
  readonly at: Micros
  readonly storedBytes: number
  readonly fromOrigins: number
  readonly sentByOrigins: number
}

export interface Wave {
  /** One an agent, in the agents' order. */
  readonly completions: ReadonlyArray<Micros>
  /** When each agent had stored its first piece, and its last. */
  readonly firstPieces: ReadonlyArray<Micros>
  readonly lastPieces: ReadonlyArray<Micros>
  /** Evenly spaced, the first at 0 and the last when all were done. */
  readonly samples: ReadonlyArray<WaveSample>
  /** When every piece was stored by some agent, and what origins had sent by then. */
  readonly allOutside: { readonly at: Micros; readonly sentByOrigins: number }
  readonly agents: PeerHostCounters
  readonly origins: PeerHostCounters
}

export interface WaveOptions {
  readonly cluster: SimulatedCluster
  readonly torrent: Torrent
  readonly agents: number
  readonly namespace: string
  /** Between two samples. */
  readonly sampleEvery: Micros
  /** The wave is given up when it takes longer. */
  readonly patience: Micros
  readonly progress: Progress
}

export class WaveStuck extends Data.TaggedError("WaveStuck")<{ readonly message: string }> {}

const sumOfCounters = (all: ReadonlyArray<PeerHostCounters>): PeerHostCounters => {
  const sum = { ...all[0]! }
  for (const key of Object.keys(sum) as ReadonlyArray<keyof PeerHostCounters>) {
    sum[key] = all.reduce((total, counters) => total + counters[key], 0)
  }
  return sum
}

/** Lets the host's event loop turn: signals are heard, and nothing of the simulation moves. */
const breathe = Effect.callback<void>((resume) => {
  const turn = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(turn))
})

/**
 * Starts the cluster, asks every agent at once, and ends when all have the blob or one has failed. Virtual time is run
 * in slices of `sampleEvery`, with a look at the world after each.
 */
export const watchWave = (
  options: WaveOptions
): Effect.Effect<Wave, HostProgramError | PullError | WaveStuck> =>
  Effect.gen(function* () {
    const { cluster, torrent, agents: count, progress } = options
    const { metainfo } = torrent
    const { kernel, runExit } = cluster.simulation
    const pieces = pieceCount(metainfo)
    const wantedBytes = count * metainfo.length

    let began: Micros = 0
    let storedBytes = 0
    let outside = 0
    const isOutside = new Uint8Array(pieces)
    const firstPieces: Array<Micros> = new Array(count)
    const lastPieces: Array<Micros> = new Array(count)
    let allOutside = { at: 0, sentByOrigins: 0 }
    const stored = (agent: number, piece: number): void => {
      storedBytes += pieceSize(metainfo, piece)
      lastPieces[agent] = kernel.now - began
      firstPieces[agent] ??= lastPieces[agent]
      if (isOutside[piece] === 1) return
      isOutside[piece] = 1
      if (++outside === pieces) allOutside = { at: kernel.now - began, sentByOrigins: sentByOrigins() }
    }

    const { origins, agents } = yield* runExit(
      cluster.start((program, agent) => observingPieces(program, (piece) => stored(agent, piece)))
    )
    const machines = agents.map((agent) => agent.role.engine.machine)
    const originMachines = origins.map((origin) => origin.role.engine.machine)
    const sentByOrigins = (): number =>
      originMachines.reduce((total, machine) => total + machine.counters.bytesSent, 0)

    const samples: Array<WaveSample> = []
    const sample = (): void => {
      const fromOrigins = machines.reduce(
        (total, { counters }) => total + counters.bytesReceivedFromOrigins,
        0
      )
      samples.push({ at: kernel.now - began, storedBytes, fromOrigins, sentByOrigins: sentByOrigins() })
      progress.update(storedBytes / wantedBytes, `of what ${count} agents want has arrived`)
    }

    began = kernel.now
    const completions: Array<Micros> = new Array(count)
    let completed = 0
    const pulls = Effect.forEach(
      agents,
      (agent, index) =>
        Effect.map(agent.role.pull(options.namespace, metainfo.digest), () => {
          completions[index] = kernel.now - began
          completed++
        }),
      { concurrency: "unbounded", discard: true }
    )
    const wave = yield* runExit(Effect.forkDetach(pulls))
    const nextSample = Effect.raceFirst(
      Fiber.await(wave),
      Effect.as(Effect.sleep(Duration.millis(options.sampleEvery / 1_000)), undefined)
    )
    for (;;) {
      sample()
      if (kernel.now - began > options.patience) {
        return yield* new WaveStuck({
          message: `${count - completed} of ${count} agents still pull after ${options.patience / 1e6} s of virtual time`
        })
      }
      yield* breathe
      const ended = yield* runExit(nextSample)
      if (ended === undefined) continue
      yield* ended
      break
    }
    sample()
    return {
      completions,
      firstPieces,
      lastPieces,
      samples,
      allOutside,
      agents: sumOfCounters(machines.map((machine) => machine.counters)),
      origins: sumOfCounters(originMachines.map((machine) => machine.counters))
    }
  })
