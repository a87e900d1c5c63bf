// The floor as a system under test: what bare Node can do (floor-server.ts). Its agents form a chain, each the upstream
// of the next, so that each receives a blob once, sends it once to a peer and once to a client, as in a swarm.

import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { takePorts } from "./ports.ts"
import { startProgram, untilReady } from "./program.ts"
import { repository, type System } from "./system.ts"

const server = fileURLToPath(new URL("./floor-server.ts", import.meta.url))

export const floorSystem: System = {
  name: "node",
  title: "bare Node (floor)",
  hasAgents: true,
  available: Effect.void,
  start: ({ folder, agents }) =>
    Effect.gen(function* () {
      const ports = yield* takePorts(1 + agents)
      const [door, ...others] = yield* Effect.forEach(ports, (port, index) =>
        Effect.gen(function* () {
          const name = `floor-${index}`
          mkdirSync(join(folder, name))
          const upstream = index === 0 ? [] : [`http://127.0.0.1:${ports[index - 1]}`]
          const began = performance.now()
          const program = yield* startProgram({
            name,
            command: process.execPath,
            args: [server, String(port), join(folder, name), ...upstream],
            folder
          })
          const url = `http://127.0.0.1:${port}`
          yield* untilReady(name, program, `${url}/v2/`)
          const startSeconds = (performance.now() - began) / 1000
          const repositoryUrl = `${url}/v2/${repository}`
          return {
            programs: [program],
            url,
            repositoryUrl,
            startSeconds,
            blobUrl: (digest: string) => `${repositoryUrl}/blobs/${digest}`
          }
        })
      )
      return { door: door!, agents: others }
    })
}
