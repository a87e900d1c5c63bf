// A herd that a test may kill: `shoal herd` over one data folder and one base of ports, which restarts on the data of
// the previous process.

import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { type ShoalProcess, startShoal, stopShoal, untilReady } from "./shoal-process.ts"

export interface HerdProcess {
  /** "127.0.0.1:PORT" of the proxy. */
  readonly registry: string
  readonly pid: () => number
  /** kill -9. Settles when the process is gone. */
  readonly kill: () => Promise<void>
  readonly start: () => Promise<void>
  readonly stop: () => Promise<void>
  /** Files below its data folder, as relative paths, with their lengths. */
  readonly files: () => ReadonlyMap<string, number>
}

/** Starts a herd whose data is in `data`, on the five ports from `base`. It is ready when the promise settles. */
export const startHerd = async (data: string, base: number): Promise<HerdProcess> => {
  const registry = `127.0.0.1:${base}`
  let herd: ShoalProcess
  const start = async () => {
    herd = startShoal([
      "herd",
      ...["--data", data, "--log", "warn"],
      ...["--proxy", `${base}`, "--peer", `${base + 1}`, "--origin-http", `${base + 2}`],
      ...["--tracker", `${base + 3}`, "--build-index", `${base + 4}`]
    ])
    await untilReady(herd, registry)
  }
  await start()
  return {
    registry,
    pid: () => herd.pid,
    kill: async () => {
      herd.child.kill("SIGKILL")
      await herd.ended
    },
    start,
    stop: async () => {
      await stopShoal(herd)
    },
    files: () =>
      new Map(
        readdirSync(data, { recursive: true, encoding: "utf8" })
          .map((path) => [path, statSync(join(data, path))] as const)
          .filter(([, stat]) => stat.isFile())
          .map(([path, stat]) => [path, stat.size])
      )
  }
}
