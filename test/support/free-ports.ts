// Ports for `shoal up` in tests: a base below the range that the system assigns by itself, with all of its ports free
// at this moment.

import { createServer } from "node:net"

/** Whether 127.0.0.1 can listen on a port. */
export const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once("error", () => resolve(false))
    server.listen({ host: "127.0.0.1", port }, () => server.close(() => resolve(true)))
  })

/** The ports of `shoal up --agents N` from a base (src/cli/up-plan.ts). */
export const portsOf = (base: number, agents: number): ReadonlyArray<number> => [
  ...[0, 1, 2, 3, 4].map((offset) => base + offset),
  ...Array.from({ length: agents }, (_, index) => [
    base + 1000 * (index + 1),
    base + 1000 * (index + 1) + 1
  ]).flat()
]

/** A base whose ports are free. Tests that run at the same time look in different places. */
export const freePortBase = async (agents: number): Promise<number> => {
  const span = 1000 * agents + 2
  for (let attempt = 0; attempt < 200; attempt++) {
    const base = 10_000 + Math.floor(Math.random() * (32_000 - 10_000 - span))
    const free = await Promise.all(portsOf(base, agents).map(isFree))
    if (free.every(Boolean)) return base
  }
  throw new Error(`no base with free ports for ${agents} agents between 10000 and 32000`)
}
