// The simulation as its users see it: a seed and options go in; role programs run on hosts; one call runs an effect
// on virtual time; and a hash at the end identifies everything that happened. Experiments and tests use this file
// only.

import { Cause, type Context, Effect, Exit } from "effect"
import type { HttpClient } from "effect/http"
import { invariant } from "../protocol/kit/invariant.ts"
import type { Micros } from "../protocol/kit/time.ts"
import type { Digest } from "../protocol/wire/digest.ts"
import type { SwarmId } from "../protocol/wire/message.ts"
import type { Torrent } from "../protocol/wire/metainfo.ts"
import type { HostProgram, HostProgramError, StartedRole } from "../roles/host-program.ts"
import { type DiskOptions, preloadSymbolicBlob, SimDisk } from "./disk/sim-disk.ts"
import { SymbolicBlob, type SymbolicBlobSpec } from "./disk/symbolic-blobs.ts"
import { type Machine, type SimHost, startProcess } from "./host/host.ts"
import { makeHttpClient } from "./http/sim-http-client.ts"
import { Kernel, type KernelOptions, noHost, type RunLimits } from "./kernel/kernel.ts"
import { Connections, type NetworkOptions } from "./network/connections.ts"
import type { Place } from "./network/fabric.ts"
import { NetworkFaults } from "./network/faults.ts"
import type { LinkRates } from "./network/links.ts"
import type { Network } from "./network/network.ts"

export interface SimulationOptions extends KernelOptions, Partial<NetworkOptions>, Partial<DiskOptions> {}

interface HostOptions {
  /** Replaces the rates of the simulation. A machine that starts again keeps its rates when this is absent. */
  readonly rates?: LinkRates
  /** Rack and zone. A machine does not move: it keeps its first place. */
  readonly place?: Place
  /** Changes every piece that its stores load, and keeps the length. */
  readonly corruptPieces?: boolean
  /** Changes every proof of real bytes that its stores load. */
  readonly corruptProofs?: boolean
  /** Bytes that its disk still accepts while it runs. */
  readonly diskRoom?: number
}

interface SimulationStats {
  readonly virtualTime: Micros
  readonly events: number
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly bytesLost: number
}

export interface Simulation {
  readonly kernel: Kernel
  readonly network: Network
  readonly connections: Connections
  readonly networkFaults: NetworkFaults
  /** The machine with this name, made at its first use. Given rates become its rates from now on. */
  readonly machine: (name: string, rates?: LinkRates, place?: Place) => Machine
  /** Starts a program on the machine with this name. */
  readonly startHost: <Role extends StartedRole>(
    name: string,
    program: HostProgram<Role>,
    options?: HostOptions
  ) => Effect.Effect<SimHost<Role>, HostProgramError>
  /** A client on a host of its own. */
  readonly httpClient: (name: string) => HttpClient.HttpClient
  /** Puts a blob without bytes into a folder of a machine, complete. It must be called before the host starts. */
  readonly preloadSymbolicBlob: (name: string, folder: string, spec: SymbolicBlobSpec) => Torrent
  /** Runs an effect to its end on virtual time. Throws its failure. */
  readonly run: <A, E>(effect: Effect.Effect<A, E>, limits?: RunLimits) => A
  readonly runExit: <A, E>(effect: Effect.Effect<A, E>, limits?: RunLimits) => Exit.Exit<A, E>
  /** 16 hex digits over everything that happened so far. */
  readonly traceHash: () => string
  readonly stats: () => SimulationStats
}

/**
 * Gigabit links, half a millisecond apart; disks like NVMe; SHA-256 at the speed of one core, for trees as well (1.7
 * GB/s measured with leaves of 16 KiB, 2.0 flat).
 */
const defaultOptions: NetworkOptions & DiskOptions = {
  uplink: 125_000_000,
  downlink: 125_000_000,
  latency: 500,
  connectTimeout: 3_000_000,
  detectionDelay: 1_000_000,
  readRate: 2_000_000_000,
  writeRate: 1_000_000_000,
  hashRate: 1_400_000_000,
  pageCache: 8 * 1024 ** 3,
  syncDelay: 50_000,
  commitDelay: 200,
  capacity: Number.POSITIVE_INFINITY
}

export const makeSimulation = (options: SimulationOptions): Simulation => {
  const settings = { ...defaultOptions, ...options }
  const kernel = new Kernel(options)
  const connections = new Connections(kernel, settings)
  const { network } = connections
  const networkFaults = new NetworkFaults(connections)
  const machines = new Map<string, Machine>()
  const wholeDigests = new Map<SwarmId, Digest>()
  const symbols = new Map<string, SymbolicBlob>()
  const outside: Context.Context<never> = kernel.context(noHost, "world")

  const machine = (name: string, rates?: LinkRates, place?: Place): Machine => {
    let made = machines.get(name)
    if (made !== undefined) {
      if (rates !== undefined) network.setRates(made.host, rates)
      const { rack, zone } = made.host.place
      const stays = place === undefined || (place.rack === rack && place.zone === zone)
      invariant(stays, `machine ${name} is elsewhere: say where it is when it is first used`)
    } else {
      const host = connections.host(name, rates, place)
      made = {
        kernel,
        connections,
        networkFaults,
        host,
        disk: new SimDisk(kernel, name, settings, wholeDigests),
        starts: 0,
        process: undefined
      }
      machines.set(name, made)
    }
    return made
  }

  const runExit = <A, E>(effect: Effect.Effect<A, E>, limits?: RunLimits): Exit.Exit<A, E> => {
    const exit = kernel.runExit(effect, limits, outside)
    network.checkConservation()
    return exit
  }

  return {
    kernel,
    network,
    connections,
    networkFaults,
    machine,
    startHost: (
      name,
      program,
      { rates, place, corruptPieces = false, corruptProofs = false, diskRoom } = {}
    ) =>
      Effect.suspend(() =>
        startProcess(machine(name, rates, place), program, { corruptPieces, corruptProofs, diskRoom })
      ),
    httpClient: (name) => {
      const { host } = machine(name)
      return makeHttpClient({ name, host, kernel, connections, alive: true })
    },
    preloadSymbolicBlob: (name, folder, spec) => {
      const key = `${spec.name}/${spec.length}/${spec.pieceLength}`
      let blob = symbols.get(key)
      if (blob === undefined) {
        blob = new SymbolicBlob(spec)
        symbols.set(key, blob)
      }
      const { disk } = machine(name)
      disk.allocate(spec.length)
      return preloadSymbolicBlob(disk.folder(folder), blob)
    },
    run: (effect, limits) => {
      const exit = runExit(effect, limits)
      if (Exit.isSuccess(exit)) return exit.value
      throw Cause.squash(exit.cause)
    },
    runExit,
    traceHash: () => kernel.trace.digest(),
    stats: () => {
      const { sent, received, lost } = network.totalBytes()
      return {
        virtualTime: kernel.now,
        events: kernel.trace.events,
        bytesSent: sent,
        bytesReceived: received,
        bytesLost: lost
      }
    }
  }
}
