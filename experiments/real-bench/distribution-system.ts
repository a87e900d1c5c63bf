// Registries without agents as systems under test: distribution (Debian's docker-registry) and zot, each with its
// storage on disk and what its documentation recommends, in one process.

import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { ContenderMissing } from "./bench-failed.ts"
import { takePorts } from "./ports.ts"
import { findInPath, startProgram, untilReady } from "./program.ts"
import { repository, type System } from "./system.ts"

interface Registry {
  readonly name: "distribution" | "zot"
  readonly title: string
  readonly file: string | undefined
  /** How to get it. */
  readonly wanted: string
  readonly configName: string
  readonly config: (data: string, port: number) => object
  readonly args: (configFile: string) => ReadonlyArray<string>
}

const registrySystem = (registry: Registry): System => ({
  name: registry.name,
  title: registry.title,
  hasAgents: false,
  available:
    registry.file === undefined
      ? new ContenderMissing({ message: `${registry.title} is left out: ${registry.wanted}` })
      : Effect.void,
  start: ({ folder }) =>
    Effect.gen(function* () {
      const [port] = yield* takePorts(1)
      const configFile = join(folder, registry.configName)
      // JSON is YAML too.
      writeFileSync(configFile, JSON.stringify(registry.config(join(folder, "data"), port!)))
      const began = performance.now()
      const program = yield* startProgram({
        name: registry.name,
        command: registry.file ?? registry.name,
        args: registry.args(configFile),
        folder
      })
      const url = `http://127.0.0.1:${port}`
      yield* untilReady(registry.name, program, `${url}/v2/`)
      const startSeconds = (performance.now() - began) / 1000
      return {
        door: { programs: [program], url, repositoryUrl: `${url}/v2/${repository}`, startSeconds },
        agents: []
      }
    })
})

export const distributionSystem = registrySystem({
  name: "distribution",
  title: "distribution (docker-registry)",
  file: process.env.SHOAL_BENCH_DISTRIBUTION ?? findInPath("docker-registry"),
  wanted: "apt-get install docker-registry, or SHOAL_BENCH_DISTRIBUTION=FILE",
  configName: "config.yml",
  // As Debian ships it, without its password file.
  config: (data, port) => ({
    version: 0.1,
    log: { level: "warn", accesslog: { disabled: true } },
    storage: {
      cache: { blobdescriptor: "inmemory" },
      filesystem: { rootdirectory: data },
      delete: { enabled: true }
    },
    http: { addr: `127.0.0.1:${port}` }
  }),
  args: (configFile) => ["serve", configFile]
})

export const zotSystem = registrySystem({
  name: "zot",
  title: "zot",
  file: process.env.SHOAL_BENCH_ZOT,
  wanted: "SHOAL_BENCH_ZOT=FILE names its program",
  configName: "config.json",
  config: (data, port) => ({
    storage: { rootDirectory: data },
    http: { address: "127.0.0.1", port: String(port) },
    log: { level: "warn" }
  }),
  args: (configFile) => ["serve", configFile]
})
