// When, where and how a run of the bench was measured, for its report: commit, date, machine, load, scale.

import { execFileSync } from "node:child_process"
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os"
import type { Scale } from "./scale.ts"

const commit = (): string => {
  try {
    const read = (...args: ReadonlyArray<string>): string =>
      execFileSync("git", args, { cwd: import.meta.dirname, encoding: "utf8" }).trim()
    const changed = read("status", "--porcelain", "--untracked-files=no") === "" ? "" : " with changes"
    return `${read("rev-parse", "--short", "HEAD")}${changed}`
  } catch {
    return "unknown"
  }
}

/** Read when the bench begins, because the load then is that of others. */
export const conditionsNow = (
  scale: Scale,
  runs: number,
  storage: string,
  given: string
): Readonly<Record<string, string>> => ({
  commit: commit(),
  date: new Date().toISOString().slice(0, 10),
  machine: `${availableParallelism()} x ${cpus()[0]?.model.trim() ?? "unknown processor"}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
  system: `Linux ${release()}, Node ${process.versions.node}`,
  "load before": (loadavg()[0] ?? 0).toFixed(1),
  "other work": given,
  storage,
  runs: String(runs),
  "large blob": `${scale.largeBytes / 2 ** 20} MiB`,
  swarms: `${scale.agents.fewer} and ${scale.agents.more} agents, ${scale.swarmBytes.shorter / 2 ** 20} and ${scale.swarmBytes.longer / 2 ** 20} MiB`
})
