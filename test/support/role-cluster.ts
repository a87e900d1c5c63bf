// A cluster whose roles are separate processes, each from a configuration file, so that each can be killed and
// restarted alone. Its ports are those of `shoal up` with one agent.

import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { freePortBase } from "./free-ports.ts"
import { type ShoalProcess, startShoal, stopShoal, untilReady } from "./shoal-process.ts"

export const roles = ["build-index", "origin", "tracker", "proxy", "agent"] as const
type Role = (typeof roles)[number]

export interface RoleCluster {
  /** "127.0.0.1:PORT" for pushes and for pulls. */
  readonly proxy: string
  readonly agent: string
  /** Starts the role if it is not running. Settles when it answers and, if it has to, is ready. */
  readonly start: (role: Role) => Promise<void>
  /** kill -9. Settles when it is gone. */
  readonly kill: (role: Role) => Promise<void>
  /** Removes all data of a role, which must not run. */
  readonly forget: (role: Role) => void
  readonly stop: () => Promise<void>
}

/** Starts all roles with their data below `folder`. */
export const startRoles = async (folder: string): Promise<RoleCluster> => {
  const base = await freePortBase(1)
  const ports = { proxy: base, peer: base + 1, origin: base + 2, tracker: base + 3, "build-index": base + 4 }
  const agentPort = base + 1000
  const url = (port: number) => `http://127.0.0.1:${port}`
  const origins = [url(ports.origin)]
  const buildIndexes = [url(ports["build-index"])]
  const trackers = [url(ports.tracker)]
  const collect = { every: 1, grace: 3600 }
  const shared = (role: Role) => ({ data: join(folder, role), log: { level: "error" } })
  const configs: Record<Role, object> = {
    "build-index": { ...shared("build-index"), http: { port: ports["build-index"] }, collect },
    origin: {
      ...shared("origin"),
      ...{ peer: { port: ports.peer }, http: { port: ports.origin } },
      ...{ origins, self: origins[0], buildIndexes, collect }
    },
    tracker: { log: { level: "error" }, http: { port: ports.tracker }, origins },
    proxy: { ...shared("proxy"), registry: { port: ports.proxy }, origins, buildIndexes },
    agent: {
      ...shared("agent"),
      ...{ registry: { port: agentPort }, peer: { port: agentPort + 1 } },
      ...{ trackers, buildIndexes, freshness: 0 }
    }
  }
  const address = (role: Role) => `127.0.0.1:${role === "agent" ? agentPort : ports[role]}`
  const running = new Map<Role, ShoalProcess>()
  mkdirSync(folder, { recursive: true })

  const start = async (role: Role) => {
    if (running.has(role)) return
    const file = join(folder, `${role}.json`)
    writeFileSync(file, JSON.stringify(configs[role]))
    const shoal = startShoal([role, "--config", file])
    running.set(role, shoal)
    await untilReady(shoal, address(role))
  }
  const kill = async (role: Role) => {
    const shoal = running.get(role)
    running.delete(role)
    shoal?.child.kill("SIGKILL")
    await shoal?.ended
  }
  await Promise.all(roles.map(start))
  return {
    proxy: address("proxy"),
    agent: address("agent"),
    start,
    kill,
    forget: (role) => rmSync(join(folder, role), { recursive: true, force: true }),
    stop: async () => {
      await Promise.all([...running.values()].map(stopShoal))
    }
  }
}
