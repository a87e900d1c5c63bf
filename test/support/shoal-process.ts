// Starts `shoal` as a person does, through the launcher, and ensures that none of its processes outlives the test:
// every process is ended by its id.

import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { hostAndPort } from "../../src/roles/http/host-and-port.ts"
import { freePortBase } from "./free-ports.ts"

export const launcher = join(import.meta.dirname, "..", "..", "bin", "shoal.js")

export interface ShoalProcess {
  readonly child: ChildProcess
  readonly pid: number
  /** The output so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  /** Settles when the process has ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  /** Settles when a line of its output is `line`. Rejects when the process ends before that. */
  readonly says: (line: string) => Promise<void>
}

/** Starts `shoal` with these arguments. */
export const startShoal = (args: ReadonlyArray<string>): ShoalProcess => {
  const child = spawn(process.execPath, [launcher, ...args], { stdio: ["ignore", "pipe", "pipe"] })
  let stdout = ""
  let stderr = ""
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.once("error", reject)
    child.once("close", (code, signal) => resolve({ code, signal }))
  })
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text
  })
  const says = (line: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (stdout.split("\n").slice(0, -1).includes(line)) resolve()
      }
      child.stdout.on("data", look)
      look()
      ended.then(() =>
        reject(new Error(`shoal ${args.join(" ")} ended without saying "${line}":\n${stdout}${stderr}`))
      )
    })
  return { child, pid: child.pid!, stdout: () => stdout, stderr: () => stderr, ended, says }
}

/** Ends a process as Ctrl-C does, and waits for it. */
export const stopShoal = async (shoal: ShoalProcess): Promise<void> => {
  shoal.child.kill("SIGINT")
  await shoal.ended
}

/** Less than the time of a hook, so that a start that hangs says what it printed. */
const readyWithinMillis = 100_000

/**
 * Waits until a role of the process at `host` ("127.0.0.1:PORT") is ready. Throws with the output of the process when
 * it has ended, whoever answers at that port, or when it is not ready after a long time.
 */
export const untilReady = async (shoal: ShoalProcess, host: string): Promise<void> => {
  const { child } = shoal
  const until = performance.now() + readyWithinMillis
  const failed = (what: string) => new Error(`shoal at ${host} ${what}:\n${shoal.stdout()}${shoal.stderr()}`)
  for (;;) {
    const answer = await fetch(`http://${host}/readiness`).catch(() => undefined)
    const body = await answer?.text().catch(() => undefined)
    if (child.exitCode !== null || child.signalCode !== null) {
      await shoal.ended
      throw failed("ended before it was ready")
    }
    if (answer?.status === 200) return
    if (performance.now() > until) throw failed(`is not ready and says ${body ?? "nothing"}`)
    await sleep(50)
  }
}

export interface RunningUp extends ShoalProcess {
  readonly data: string
  readonly portBase: number
  /** "127.0.0.1:PORT" or "[::1]:PORT". */
  readonly proxy: string
  readonly agents: ReadonlyArray<string>
  readonly tracker: string
  readonly buildIndex: string
}

/** Starts `shoal up` with its data in `data` and these further arguments, and waits until it is ready. */
export const startUp = async (
  data: string,
  agents: number,
  ...more: ReadonlyArray<string>
): Promise<RunningUp> => {
  const portBase = await freePortBase(agents)
  const shoal = startShoal([
    "up",
    ...["--agents", String(agents)],
    ...["--data", data],
    ...["--port-base", String(portBase)],
    ...more
  ])
  await shoal.says("shoal is ready").catch((error: Error) => {
    throw new Error(`${error.message}${logsOf(data)}`)
  })
  const host = more.indexOf("--host")
  const at = (port: number) => hostAndPort(host === -1 ? "127.0.0.1" : more[host + 1]!, port)
  return {
    ...shoal,
    data,
    portBase,
    proxy: at(portBase),
    tracker: at(portBase + 3),
    buildIndex: at(portBase + 4),
    agents: Array.from({ length: agents }, (_, index) => at(portBase + 1000 * (index + 1)))
  }
}

/** The log files of a `shoal up`, for the message of a failed test. */
export const logsOf = (data: string): string => {
  const folder = join(data, "logs")
  if (!existsSync(folder)) return "no logs"
  return readdirSync(folder)
    .map(
      (file) => `--- ${file}\n${readFileSync(join(folder, file), "utf8").split("\n").slice(-20).join("\n")}`
    )
    .join("\n")
}

/** The processes that were started with this text among their arguments. */
export const processesNaming = (text: string): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(join("/proc", pid, "cmdline"), "utf8").includes(text)
      } catch {
        // The process ended between the two looks.
        return false
      }
    })
    .map(Number)
    .filter((pid) => pid !== process.pid)
