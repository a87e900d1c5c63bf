// What the real Kraken took, as it was recorded: it cannot be made again to the byte, so it is read and never
// regenerated. All runs are of commit 2a7fbcb with its defaults: 8 agents on loopback of one machine with two cores,
// one origin, one tracker, a blob of 256 MiB in pieces of 4 MiB, Kraken's own token buckets of 20 MiB/s each way that
// hold one second. Agents always have buckets; the origin has them or not.

/** Conditions of the runs, besides those that the cases differ in. */
export const krakenConditions = {
  agents: 8,
  size: 256 * 2 ** 20,
  piece: 4 * 2 ** 20,
  rate: 20 * 2 ** 20
} as const

interface KrakenRun {
  /** Seconds from the request until the last agent had the blob. */
  readonly makespan_s: number
  /** Copies of the blob that the origin was asked for, and sent. */
  readonly copies: number
  readonly source: KrakenSource
}

export interface KrakenCase {
  readonly name: string
  readonly choice: "rarest-first" | "random"
  readonly isOriginCapped: boolean
  readonly runs: readonly [KrakenRun, ...ReadonlyArray<KrakenRun>]
}

/** Who ran it, and how. */
export const krakenSources = {
  processes: "Processes of agents, origin and tracker; one run each (docs/laboratory.md, Strategies)",
  schedulers:
    "The schedulers of eight agents and of the origin in one Go process, as Kraken's own tests start them, with a " +
    "tracker over HTTP and the policy and announce interval of its configuration; other work beside it",
  busy: "The same, with other work on both cores all the time"
} as const
type KrakenSource = keyof typeof krakenSources

const run = (makespan_s: number, copies: number, source: KrakenSource = "schedulers"): KrakenRun => ({
  makespan_s,
  copies,
  source
})

export const krakenCases: ReadonlyArray<KrakenCase> = [
  {
    name: "origin capped, rarest first",
    choice: "rarest-first",
    isOriginCapped: true,
    runs: [run(82.8, 6.3, "processes"), run(82.9, 6.63), run(91.48, 7.17, "busy"), run(88.79, 7.11, "busy")]
  },
  {
    name: "origin capped, random pieces",
    choice: "random",
    isOriginCapped: true,
    runs: [
      run(29.1, 2.2, "processes"),
      run(29.12, 2.48),
      run(30.2, 2.52),
      run(28.44, 2.48),
      run(28.65, 2.44),
      run(29.02, 2.39)
    ]
  },
  {
    name: "only agents capped, rarest first",
    choice: "rarest-first",
    isOriginCapped: false,
    runs: [run(15, 7.2, "processes"), run(13.22, 6.45), run(13.08, 6.06), run(12.99, 6.11), run(13.47, 7.09)]
  },
  {
    name: "only agents capped, random pieces",
    choice: "random",
    isOriginCapped: false,
    runs: [run(13.05, 2.61), run(13.29, 2.58), run(13.85, 2.52)]
  }
]
