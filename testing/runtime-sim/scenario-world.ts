// Decides how scripted scenarios play in the simulator: host names are network names, ports are numbered per listener,
// bytes come from the seed of the scenario's own choosing. Same script, same world interface as on sockets.

import { createCipheriv, hash } from "node:crypto"
import { Effect } from "effect"
import { simDigests } from "../../src/runtime-sim/disk/sim-digests.ts"
import { makeSimulation, type Simulation, type SimulationOptions } from "../../src/runtime-sim/simulation.ts"
import type { ScenarioWorld } from "../scenarios/world.ts"

export interface SimWorld {
  readonly world: ScenarioWorld
  readonly simulation: Simulation
}

const firstPort = 10_000

/** A simulation as the world of scenarios; run their effects with `simulation.run`. */
export const makeSimWorld = (options: SimulationOptions): SimWorld => {
  const simulation = makeSimulation(options)
  const ports = new Map<string, number>()
  const world: ScenarioWorld = {
    kind: "sim",
    hostName: (name) => name,
    port: (name, listener) => {
      const key = `${name}/${listener}`
      const port = ports.get(key) ?? firstPort + ports.size
      ports.set(key, port)
      return port
    },
    start: (name, program, faults) =>
      Effect.acquireRelease(simulation.startHost(name, program, faults), (host) => host.stop),
    client: simulation.httpClient("client"),
    digests: simDigests,
    bytes: seededBytes
  }
  return { world, simulation }
}

/** The key stream of AES-256 in counter mode, keyed by the hash of the seed: the same bytes as in the world of sockets. */
export const seededBytes = (seed: string, length: number): Uint8Array =>
  createCipheriv("aes-256-ctr", hash("sha256", seed, "buffer"), Buffer.alloc(16)).update(Buffer.alloc(length))
