// The interface of a system under test: a registry, or a registry with agents that pull from each other. A scenario
// starts one in a folder of its own, asks it over HTTP, and reads what the kernel counted for its processes.

import type { Effect, Scope } from "effect"
import type { ContenderMissing, RealBenchFailed } from "./bench-failed.ts"
import type { RunningProgram } from "./program.ts"

export type SystemName = "shoal" | "distribution" | "zot" | "kraken" | "node"

interface SystemSpec {
  /** An empty folder for its data, configuration and logs. */
  readonly folder: string
  readonly agents: number
  /** Bytes a second that each may send, and receive; unlimited where absent. */
  readonly rates: { readonly agents?: number; readonly origin?: number }
}

/** A part of a system, whose use of the machine is counted by itself. */
export interface Part {
  readonly programs: ReadonlyArray<RunningProgram>
}

interface RunningAgent extends Part {
  /** The URL of a blob at this agent. */
  readonly blobUrl: (digest: string) => string
  /** From the start of its program until it was ready. */
  readonly startSeconds: number
}

export interface RunningSystem {
  /** Whatever takes pushes, and all else that is not an agent. */
  readonly door: Part & {
    readonly url: string
    /** The URL of a repository, below which blobs are pushed. */
    readonly repositoryUrl: string
    readonly startSeconds: number
    /** How blobs are pushed; as OCI says when absent. */
    readonly uploads?: "kraken"
  }
  readonly agents: ReadonlyArray<RunningAgent>
}

export interface System {
  readonly name: SystemName
  /** For people, with its version where it is known. */
  readonly title: string
  /** Whether it has agents, beside a registry. */
  readonly hasAgents: boolean
  /** Fails with the reason when this machine does not have it. */
  readonly available: Effect.Effect<void, ContenderMissing>
  readonly start: (spec: SystemSpec) => Effect.Effect<RunningSystem, RealBenchFailed, Scope.Scope>
}

export const repository = "bench/bulk"
