// The simulator as the world of scripted scenarios: host names are network names, ports are numbered per listener,
// and bytes come from a seed that the scenario chooses. Scripts and the world's interface are the same as on sockets.

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

/** A simulation as the world of scenarios. Run their effects with `simulation.run`. */
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

/**
 * The key stream of AES-256 in counter mode, with the hash of the seed as the key: the same bytes as in the world of
 * sockets.
 */
export const seededBytes = (seed: string, length: number): Uint8Array =>
  createCipheriv("aes-256-ctr", hash("sha256", seed, "buffer"), Buffer.alloc(16)).update(Buffer.alloc(length))
