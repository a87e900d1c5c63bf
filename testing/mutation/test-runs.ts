// Runs of test files in one sandbox, one after another: the parent's side of test-host.ts. A run that takes many
// times longer than usual is killed together with all that it started, and the next run has a new host. The limit
// applies to the current test file, so a long list of tests may take its time.

import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import type { HostMessage, RunRequest } from "./test-host.ts"

interface Failure {
  readonly test: string
  /** The message of the first failed test, or how the run ended. */
  readonly why: string
}

export interface RunResult {
  /** Test files that passed, with their times. */
  readonly passed: ReadonlyMap<string, number>
  readonly failed: ReadonlyArray<Failure>
}

export interface RunsOptions {
  /** Setup file of the tests. */
  readonly setup?: string
  readonly environment?: NodeJS.ProcessEnv
  /** Time that any test file may take. The default fits a cold start on a busy machine. */
  readonly graceMillis?: number
}

const defaultGraceMillis = 30_000
/** A mutant may be slower than the original code, and the machine busy, but not by this factor. */
const patience = 10

const hostFile = fileURLToPath(new URL("./test-host.ts", import.meta.url))

export class TestRuns {
  readonly #root: string
  readonly #options: RunsOptions
  /** Milliseconds that a test file takes without mutants. */
  readonly #usual: ReadonlyMap<string, number>
  #host: ChildProcess | undefined
  /** All test files of the project, once a host has reported them. */
  tests: ReadonlyArray<string> = []

  constructor(root: string, usual: ReadonlyMap<string, number>, options: RunsOptions = {}) {
    this.#root = root
    this.#usual = usual
    this.#options = options
  }

  /** Starts a host if there is none. A run also does so. */
  async start(): Promise<ChildProcess> {
    if (this.#host !== undefined) return this.#host
    const { setup, environment } = this.#options
    const host = fork(hostFile, [this.#root, ...(setup === undefined ? [] : [setup])], {
      cwd: this.#root,
      env: { ...process.env, ...environment },
      // The process group is its own, so that a kill reaches the workers.
      detached: true,
      stdio: ["ignore", "ignore", "inherit", "ipc"]
    })
    this.#host = host
    const [ready] = (await Promise.race([once(host, "message"), once(host, "exit")])) as [HostMessage]
    if (ready?.tag !== "Ready") throw new Error("Vitest does not start: run `npm run unit` to see why")
    this.tests = ready.tests
    return host
  }

  async run(request: RunRequest, onEnded: (test: string) => void = () => {}): Promise<RunResult> {
    if (request.tests.length === 0) return { passed: new Map(), failed: [] }
    const host = await this.start()
    const passed = new Map<string, number>()
    const failed: Array<Failure> = []
    const waiting = [...request.tests]
    let current = waiting[0]!
    return new Promise((resolve) => {
      let watch: NodeJS.Timeout | undefined
      const finish = (): void => {
        clearTimeout(watch)
        host.off("message", onMessage)
        host.off("exit", onExit)
        resolve({ passed, failed })
      }
      const fail = (why: string): void => {
        failed.push({ test: current, why })
        this.kill()
        finish()
      }
      const wait = (): void => {
        clearTimeout(watch)
        const { graceMillis = defaultGraceMillis } = this.#options
        const millis = graceMillis + patience * (this.#usual.get(current) ?? graceMillis)
        watch = setTimeout(() => fail(`hangs: not finished after ${Math.round(millis / 1000)} s`), millis)
      }
      const onExit = (): void => fail("the test process ends")
      const onMessage = (message: HostMessage): void => {
        if (message.tag === "Started") current = message.test
        if (message.tag === "Ended") {
          if (message.failure === undefined) passed.set(message.test, message.millis)
          else failed.push({ test: message.test, why: message.failure })
          onEnded(message.test)
          current = waiting.find((test) => !passed.has(test)) ?? current
        }
        if (message.tag === "Done") {
          // Errors outside of tests, and workers that crash, are reported at the end only.
          if (failed.length === 0 && message.errors.length > 0) fail(message.errors[0]!)
          else finish()
        } else wait()
      }
      host.on("message", onMessage)
      host.on("exit", onExit)
      wait()
      host.send(request)
    })
  }

  /** Ends the host and its workers. */
  kill(): void {
    const pid = this.#host?.pid
    this.#host = undefined
    if (pid === undefined) return
    try {
      process.kill(-pid, "SIGKILL")
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error
    }
  }
}
