// Shoal as a system under test: a herd and agents as processes, started by the launcher that people use, with the
// configuration of `shoal up`.

import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { takePorts } from "./ports.ts"
import { startProgram, untilReady } from "./program.ts"
import { repository, type System } from "./system.ts"

const launcher = join(import.meta.dirname, "..", "..", "bin", "shoal.js")
const portsOfHerd = 5
const portsOfAgent = 2

/** The launcher gives these to the Node that it starts, and is itself that Node here (bin/shoal.js). */
const nodeFlags = { herd: ["--max-semi-space-size=16"], agent: ["--max-semi-space-size=4"] }

const at = (port: number): string => `http://127.0.0.1:${port}`
const listen = (port: number) => ({ host: "127.0.0.1", port })
const bothWays = (rate: number | undefined) =>
  rate === undefined ? {} : { rates: { egress: rate, ingress: rate } }

export const shoalSystem: System = {
  name: "shoal",
  title: "Shoal",
  hasAgents: true,
  available: Effect.void,
  start: ({ folder, agents, rates }) =>
    Effect.gen(function* () {
      const ports = yield* takePorts(portsOfHerd + portsOfAgent * agents)
      const [proxy, peer, origin, tracker, buildIndex] = ports as [number, number, number, number, number]
      const run = (name: string, role: "herd" | "agent", readiness: string, config: object) =>
        Effect.gen(function* () {
          const data = join(folder, name)
          mkdirSync(data, { recursive: true })
          const file = join(folder, `${name}.json`)
          writeFileSync(file, JSON.stringify({ data, log: { level: "warn", format: "json" }, ...config }))
          const began = performance.now()
          const args = [...nodeFlags[role], launcher, role, "--config", file]
          const program = yield* startProgram({ name, command: process.execPath, args, folder })
          yield* untilReady(name, program, readiness)
          return { programs: [program], startSeconds: (performance.now() - began) / 1000 }
        })
      const herd = yield* run("herd", "herd", `${at(proxy)}/readiness`, {
        proxy: listen(proxy),
        peer: listen(peer),
        origin: listen(origin),
        tracker: listen(tracker),
        buildIndex: listen(buildIndex),
        // All clients have one address, so the limits of one client must not count.
        limits: { requestsPerSecond: 0 },
        ...bothWays(rates.origin)
      })
      const running = yield* Effect.forEach(
        Array.from({ length: agents }, (_, index) => portsOfHerd + portsOfAgent * index),
        (first, index) => {
          const [registry, peers] = [ports[first]!, ports[first + 1]!]
          return Effect.map(
            run(`agent-${index + 1}`, "agent", `${at(registry)}/readiness`, {
              registry: listen(registry),
              peer: listen(peers),
              trackers: [at(tracker)],
              buildIndexes: [at(buildIndex)],
              limits: { requestsPerSecond: 0 },
              ...bothWays(rates.agents)
            }),
            (agent) => ({
              ...agent,
              blobUrl: (digest: string) => `${at(registry)}/v2/${repository}/blobs/${digest}`
            })
          )
        }
      )
      const url = at(proxy)
      return { door: { ...herd, url, repositoryUrl: `${url}/v2/${repository}` }, agents: running }
    })
}
