// How much the bench does: the sizes of issue and table in full, and a small form for CI. Plain data.

const MiB = 2 ** 20
const GiB = 2 ** 30

export interface Scale {
  readonly runs: number
  /** Of small pushes. */
  readonly seconds: number
  readonly largeBytes: number
  /** Of the blob that a system handles before the measured one. */
  readonly warmUpBytes: number
  /** Sizes of the blobs of swarms. */
  readonly swarmBytes: { readonly shorter: number; readonly longer: number }
  /** Numbers of agents. */
  readonly agents: { readonly fewer: number; readonly more: number }
  /** Wait before memory is read again, after the load. */
  readonly idleSeconds: number
}

export const fullScale: Scale = {
  runs: 3,
  seconds: 10,
  largeBytes: GiB,
  warmUpBytes: 4 * MiB,
  swarmBytes: { shorter: 256 * MiB, longer: GiB },
  agents: { fewer: 4, more: 8 },
  idleSeconds: 10
}

export const smallScale: Scale = {
  runs: 1,
  seconds: 2,
  largeBytes: 128 * MiB,
  warmUpBytes: 4 * MiB,
  swarmBytes: { shorter: 32 * MiB, longer: 64 * MiB },
  agents: { fewer: 2, more: 3 },
  idleSeconds: 1
}

/** Bytes a second of a capped host, each way. */
export const cappedRate = 20 * MiB
