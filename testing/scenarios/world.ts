// Decides what a scripted scenario may do to a world, so that one script runs on the simulator and on loopback
// sockets: start, stop and kill hosts that run role programs, speak HTTP to them, and spoil what a host serves.

import type { Effect, Scope } from "effect"
import type { HttpClient } from "effect/http"
import type { HostProgram, HostProgramError, StartedRole } from "../../src/roles/host-program.ts"
import type { Digests } from "../../src/roles/services/digests.ts"

export interface ScenarioHost<Role extends StartedRole = StartedRole> {
  readonly role: Role
  /** Ends the host in order: its scope closes, finalizers run. Its storage stays. */
  readonly stop: Effect.Effect<void>
  /** Ends the host like kill -9: nothing more leaves it, connections break, what was not synced is lost. */
  readonly kill: Effect.Effect<void>
}

export interface ScenarioWorld {
  readonly kind: "sim" | "net"
  /**
   * The name to write into configurations for host `name`: "127.0.0.1" on sockets, a simulated name in the simulator.
   */
  readonly hostName: (name: string) => string
  /** A port for a listener of host `name`; the same arguments give the same port. */
  readonly port: (name: string, listener: string) => number
  /**
   * Runs a program on host `name` and serves its apps. Starting the same name again after stop or kill finds the
   * storage as it was. `faults` spoil the host for as long as it runs.
   */
  readonly start: <Role extends StartedRole>(
    name: string,
    program: HostProgram<Role>,
    faults?: ScenarioFaults
  ) => Effect.Effect<ScenarioHost<Role>, HostProgramError, Scope.Scope>
  /** A client on a host of its own. */
  readonly client: HttpClient.HttpClient
  /** The same hash functions that the hosts use, for the script's own checks. */
  readonly digests: Digests["Service"]
  /** `length` bytes that depend on `seed` only and do not compress. */
  readonly bytes: (seed: string, length: number) => Uint8Array
}

export interface ScenarioFaults {
  /** Every piece that the host's blob stores give to load is changed, though its length is right: a lying peer. */
  readonly corruptPieces?: boolean
  /** Bytes that the host's disk still takes; then it is full. */
  readonly diskRoom?: number
}
