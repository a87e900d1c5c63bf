// Uber's Kraken as a system under test: an origin, a tracker and agents as processes, each with the nginx that it
// starts, and the configuration that it ships. There is no proxy and no build-index: blobs are put into the origin as
// its replicas do, and agents are asked for blobs, not for tags.

import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { ContenderMissing } from "./bench-failed.ts"
import { takePorts } from "./ports.ts"
import { findInPath, startProgram, untilReady } from "./program.ts"
import { repository, type System } from "./system.ts"

const programs = process.env.SHOAL_BENCH_KRAKEN
const nginx = process.env.SHOAL_BENCH_NGINX ?? findInPath("nginx")
const host = "127.0.0.1"
const portsOfOrigin = 2
const portsOfAgent = 3

/** Kraken's own template of an agent's site. It is given as a file, because the configuration of nginx has its name. */
const agentSite = `
upstream registry-backend { server {{.registry_server}}; }
upstream agent-server { server {{.agent_server}}; }
server {
  listen {{.port}};
  {{range .allowed_cidrs}} allow {{.}}; {{end}}
  deny all;
  access_log {{.access_log_path}};
  error_log {{.error_log_path}};
  proxy_read_timeout 10m;
  gzip on;
  gzip_types text/plain test/csv application/json;
{{healthEndpoint "agent-server"}}
  location / {
    proxy_pass http://registry-backend;
    proxy_next_upstream error timeout http_404 http_500;
  }
}
`

const zap = {
  level: "warn",
  encoding: "console",
  disableStacktrace: true,
  encoderConfig: { messageKey: "message", levelKey: "level", levelEncoder: "capital" },
  outputPaths: ["stdout"],
  errorOutputPaths: ["stdout"]
}
const tls = { server: { disabled: true }, client: { disabled: true } }

/** Kraken's limits count bits, and hold one second. */
const bandwidth = (rate: number | undefined) => ({
  conn: {
    bandwidth:
      rate === undefined
        ? { enable: false }
        : { enable: true, egress_bits_per_sec: 8 * rate, ingress_bits_per_sec: 8 * rate }
  }
})

const missing = (): string | undefined => {
  if (programs === undefined)
    return "SHOAL_BENCH_KRAKEN=DIR holds kraken-agent, kraken-origin, kraken-tracker"
  return nginx === undefined ? "apt-get install nginx-light, or SHOAL_BENCH_NGINX=FILE" : undefined
}

export const krakenSystem: System = {
  name: "kraken",
  title: "Kraken with its nginx",
  hasAgents: true,
  available: Effect.suspend(() => {
    const wanted = missing()
    return wanted === undefined
      ? Effect.void
      : new ContenderMissing({ message: `Kraken is left out: ${wanted}` })
  }),
  start: ({ folder, agents, rates }) =>
    Effect.gen(function* () {
      const ports = yield* takePorts(portsOfOrigin + 1 + portsOfAgent * agents)
      const [blobs, originPeer, tracker] = ports as [number, number, number]
      const run = (
        name: string,
        role: string,
        port: number,
        args: ReadonlyArray<string>,
        config: (own: string) => object
      ) =>
        Effect.gen(function* () {
          const own = join(folder, name)
          mkdirSync(own)
          writeFileSync(join(own, "site.template"), agentSite)
          const site =
            role === "agent"
              ? { name, template_path: join(own, "site.template") }
              : { name: `kraken-${role}` }
          const file = join(folder, `${name}.yaml`)
          const all = {
            zap,
            tls,
            nginx: { ...site, binary: nginx, cache_dir: join(own, "nginx"), log_dir: own },
            peer_id_factory: "addr_hash",
            ...config(own)
          }
          // JSON is YAML too.
          writeFileSync(file, JSON.stringify(all))
          const began = performance.now()
          const program = yield* startProgram({
            name,
            command: join(programs ?? "", `kraken-${role}`),
            args: [`--config=${file}`, "--cluster=bench", ...args],
            folder: own
          })
          yield* untilReady(name, program, `http://${host}:${port}/health`)
          return { programs: [program], startSeconds: (performance.now() - began) / 1000 }
        })

      const origin = yield* run(
        "origin",
        "origin",
        blobs,
        [
          `--peer-ip=${host}`,
          `--peer-port=${originPeer}`,
          `--blobserver-hostname=${host}`,
          `--blobserver-port=${blobs}`
        ],
        (own) => ({
          cluster: { static: [`${host}:${blobs}`] },
          metainfogen: { piece_lengths: { 0: "4MB" } },
          localdb: { source: join(own, "origin.db") },
          castore: { upload_dir: join(own, "upload"), cache_dir: join(own, "cache") },
          blobserver: { listener: { net: "unix", addr: join(own, "origin.sock") } },
          scheduler: { torrentlog: { disable: true }, ...bandwidth(rates.origin) }
        })
      )
      const trackerProgram = yield* run("tracker", "tracker", tracker, [`--port=${tracker}`], (own) => ({
        peerhandoutpolicy: { priority: "completeness" },
        trackerserver: {
          announce_interval: "3s",
          listener: { net: "unix", addr: join(own, "tracker.sock") }
        },
        origin: { hosts: { static: [`${host}:${blobs}`] } }
      }))
      const running = yield* Effect.forEach(
        Array.from({ length: agents }, (_, index) => portsOfOrigin + 1 + portsOfAgent * index),
        (first, index) => {
          const [registry, peer, server] = ports.slice(first) as [number, number, number]
          const args = [
            `--peer-ip=${host}`,
            `--peer-port=${peer}`,
            `--agent-server-port=${server}`,
            `--agent-registry-port=${registry}`
          ]
          return Effect.map(
            run(`agent-${index + 1}`, "agent", registry, args, (own) => ({
              allowed_cidrs: [host],
              store: { download_dir: join(own, "download"), cache_dir: join(own, "cache") },
              registry: {
                docker: {
                  version: "0.1",
                  log: { level: "error" },
                  http: { net: "unix", addr: join(own, "registry.sock") }
                }
              },
              tracker: { hosts: { static: [`${host}:${tracker}`] } },
              // Tags are never asked for, so nothing has to listen there.
              build_index: { hosts: { static: [`${host}:${tracker}`] } },
              scheduler: {
                dispatch: { piece_request_policy: "rarest_first" },
                torrentlog: { disable: true },
                ...bandwidth(rates.agents)
              }
            })),
            (agent) => ({
              ...agent,
              blobUrl: (digest: string) => `http://${host}:${registry}/v2/${repository}/blobs/${digest}`
            })
          )
        }
      )
      const url = `http://${host}:${blobs}`
      const door = {
        programs: [...origin.programs, ...trackerProgram.programs],
        startSeconds: origin.startSeconds,
        url,
        repositoryUrl: url,
        uploads: "kraken" as const
      }
      return { door, agents: running }
    })
}
