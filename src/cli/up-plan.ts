// The plan of `shoal up`: a herd and agents on loopback, with the ports, the configuration and the folder of each, and
// the examples that are printed. Kraken's devcluster has the same shape. Pure: opens, starts and writes nothing.
//
//   base          proxy (push here)           base + 1000k      registry of agent k (pull here), k = 1, 2, ...
//   base + 1      origin, peers               base + 1000k + 1  agent k, peers
//   base + 2      origin, HTTP
//   base + 3      tracker
//   base + 4      build-index

import { join } from "node:path"
import type { RateSettings } from "../roles/config/process-keys.ts"
import { hostAndPort, isEveryAddress, localUrl } from "../roles/http/host-and-port.ts"

export interface UpOptions {
  readonly agents: number
  readonly data: string
  readonly portBase: number
  /** Address of all listeners: a name, an IPv4 or an IPv6 address; 127.0.0.1 when absent. */
  readonly host?: string
  readonly logLevel: string
  /** Names under which clients know the cluster, besides the address of the proxy. */
  readonly ownNames?: ReadonlyArray<string>
  /** Rates of the origin and of each agent; unlimited when absent. */
  readonly rates?: RateSettings
  /** Agents register, so that they can be preheated. */
  readonly register?: boolean
}

export interface PlannedPort {
  /** For people: "proxy", "agent 1 peers", ... */
  readonly use: string
  readonly host: string
  readonly port: number
}

export interface PlannedProcess {
  /** For people and for file names: "herd", "agent-1", ... */
  readonly name: string
  /** The subcommand of shoal. */
  readonly role: "herd" | "agent"
  /** Keys of the role's schema (src/roles/herd/config.ts, src/roles/agent/config.ts). */
  readonly config: Readonly<Record<string, unknown>>
  readonly configFile: string
  readonly logFile: string
  readonly ports: ReadonlyArray<PlannedPort>
  /** URLs that all answer 200 when the process is ready. */
  readonly readiness: ReadonlyArray<string>
}

const loopback = "127.0.0.1"
const agentStride = 1000
/** Time between collections of blobs that no image needs; the grace periods are those of the roles. */
const collectEvery = "1 hour"

/** With the default base, more agents would leave the range of ports. */
export const mostAgents = (portBase: number): number =>
  Math.max(0, Math.floor((65_535 - 1 - portBase) / agentStride))

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || host.startsWith("127.") || isEveryAddress(host)

/** The processes, the herd first. */
export const planUp = (options: UpOptions): ReadonlyArray<PlannedProcess> => {
  const { data, portBase, host = loopback } = options
  const url = (port: number): string => localUrl({ host, port })
  const listen = (port: number) => ({ host, port })
  // Logs in files are JSON, whatever the terminal is: machines and searches read them.
  const log = { level: options.logLevel, format: "json" }
  const ownNames = [hostAndPort(host, portBase), `localhost:${portBase}`, ...(options.ownNames ?? [])]
  const rates = options.rates === undefined ? {} : { rates: options.rates }
  const place = (name: string) => ({
    name,
    configFile: join(data, "config", `${name}.json`),
    logFile: join(data, "logs", `${name}.log`)
  })
  const herd: PlannedProcess = {
    ...place("herd"),
    role: "herd",
    config: {
      data: join(data, "herd"),
      proxy: listen(portBase),
      peer: listen(portBase + 1),
      origin: listen(portBase + 2),
      tracker: listen(portBase + 3),
      buildIndex: listen(portBase + 4),
      ownNames,
      collect: { every: collectEvery },
      ...rates,
      log
    },
    ports: [
      { use: "proxy", host, port: portBase },
      { use: "origin peers", host, port: portBase + 1 },
      { use: "origin", host, port: portBase + 2 },
      { use: "tracker", host, port: portBase + 3 },
      { use: "build-index", host, port: portBase + 4 }
    ],
    readiness: [portBase, portBase + 2, portBase + 3, portBase + 4].map((port) => `${url(port)}/readiness`)
  }
  const agents = Array.from({ length: options.agents }, (_, index): PlannedProcess => {
    const name = `agent-${index + 1}`
    const registry = portBase + agentStride * (index + 1)
    return {
      ...place(name),
      role: "agent",
      config: {
        data: join(data, name),
        registry: listen(registry),
        peer: listen(registry + 1),
        trackers: [url(portBase + 3)],
        buildIndexes: [url(portBase + 4)],
        ownNames,
        ...(options.register === true ? { register: { url: url(registry) } } : {}),
        ...rates,
        log
      },
      ports: [
        { use: `agent ${index + 1}`, host, port: registry },
        { use: `agent ${index + 1} peers`, host, port: registry + 1 }
      ],
      readiness: [`${url(registry)}/readiness`]
    }
  })
  return [herd, ...agents]
}

/** The lines that are printed when everything listens, without the last one. */
export const describeUp = (
  options: UpOptions,
  plan: ReadonlyArray<PlannedProcess>
): ReadonlyArray<string> => {
  const { portBase, host = loopback } = options
  const [proxy, agent] = [portBase, portBase + agentStride].map((port) =>
    localUrl({ host, port }).slice("http://".length)
  )
  /** docker pulls and pushes without TLS on a host that it knows to be local. */
  const own = isLoopback(host) ? "localhost" : undefined
  const toDocker = (address: string | undefined, port: number) =>
    own === undefined ? address : hostAndPort(own, port)
  const dockerProxy = toDocker(proxy, portBase)
  const dockerAgent = toDocker(agent, portBase + agentStride)
  const listening = plan
    .flatMap(({ ports }) => ports)
    .map(({ use, host, port }) => `  ${use.padEnd(15)} ${hostAndPort(host, port)}`)
  return [
    `data in ${options.data}, logs in ${join(options.data, "logs")}`,
    "listening:",
    ...listening,
    "push to the proxy:",
    `  skopeo copy --dest-tls-verify=false oci:IMAGE:TAG docker://${proxy}/demo/app:1`,
    `  docker tag IMAGE ${dockerProxy}/demo/app:1 && docker push ${dockerProxy}/demo/app:1`,
    "pull from an agent:",
    `  skopeo copy --src-tls-verify=false docker://${agent}/demo/app:1 oci:app:1`,
    `  docker pull ${dockerAgent}/demo/app:1`,
    "have every agent pull it beforehand:",
    `  npx shoal preheat demo/app:1 --proxy http://${proxy}`,
    "stop with Ctrl-C"
  ]
}
