// Ports for `shoal up` in tests: a base below the range that the system assigns by itself. All of its ports are free
// and stay reserved until the test process ends, so a test may stop what listens there and start it again.

import { reservePorts } from "../../experiments/real-bench/reserved-ports.ts"

/** The ports of `shoal up --agents N` from a base (src/cli/up-plan.ts). */
export const portsOf = (base: number, agents: number): ReadonlyArray<number> => [
  ...[0, 1, 2, 3, 4].map((offset) => base + offset),
  ...Array.from({ length: agents }, (_, index) => [
    base + 1000 * (index + 1),
    base + 1000 * (index + 1) + 1
  ]).flat()
]

/** A base whose ports nobody uses but the caller. Test processes that run at the same time look in different places. */
export const freePortBase = async (agents: number): Promise<number> => {
  const span = 1000 * agents + 2
  for (let attempt = 0; attempt < 200; attempt++) {
    const base = 10_000 + Math.floor(Math.random() * (32_000 - 10_000 - span))
    if ((await reservePorts(portsOf(base, agents))) !== undefined) return base
  }
  throw new Error(`no base with free ports for ${agents} agents between 10000 and 32000`)
}
