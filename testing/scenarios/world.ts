// World of the scenarios, which the simulator and loopback sockets implement: starts, stops and kills hosts that run
// host programs, sends HTTP requests to them, and injects faults into a host.

import type { Effect, Scope } from "effect"
import type { HttpClient } from "effect/http"
import type { HostProgram, HostProgramError, StartedRole } from "../../src/roles/host-program.ts"
import type { Digests } from "../../src/roles/services/digests.ts"

export interface ScenarioHost<Role extends StartedRole = StartedRole> {
  readonly role: Role
  /** Stops the host in order: its scope closes and finalizers run. Its storage is kept. */
  readonly stop: Effect.Effect<void>
  /** Kills the host like kill -9: it sends nothing more, connections break, and unsynced data is lost. */
  readonly kill: Effect.Effect<void>
}

export interface ScenarioWorld {
  readonly kind: "sim" | "net"
  /**
   * The host name for configurations of host `name`: "127.0.0.1" on sockets, a simulated name in the simulator.
   */
  readonly hostName: (name: string) => string
  /** The port of a listener of host `name`; equal arguments give equal ports. */
  readonly port: (name: string, listener: string) => number
  /**
   * Runs a program on host `name` and serves its apps. A host that is started again after a stop or a kill finds its
   * storage. `faults` last as long as the host runs.
   */
  readonly start: <Role extends StartedRole>(
    name: string,
    program: HostProgram<Role>,
    faults?: ScenarioFaults
  ) => Effect.Effect<ScenarioHost<Role>, HostProgramError, Scope.Scope>
  /** A client on a host of its own. */
  readonly client: HttpClient.HttpClient
  /** The hash functions of the hosts, for checks of a scenario. */
  readonly digests: Digests["Service"]
  /** `length` bytes that depend only on `seed` and do not compress. */
  readonly bytes: (seed: string, length: number) => Uint8Array
}

export interface ScenarioFaults {
  /** Corrupts every piece that the host loads, without a change of its length, so the host sends wrong bytes. */
  readonly corruptPieces?: boolean
  /** Corrupts the proof of every piece that the host loads; the pieces are right. Real bytes only. */
  readonly corruptProofs?: boolean
  /** Bytes until the disk of the host is full. */
  readonly diskRoom?: number
}
