// Runs of test files in one sandbox, one after another: the parent's side of test-host.ts. A run that takes many times as
// long as it should is killed together with all that it started, and the next run has a new host. How long is judged by
// the test file in hand, so that a long list of tests may take its time.

import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import type { HostMessage, RunRequest } from "./test-host.ts"

interface Failure {
  readonly test: string
  /** What the first test that failed said, or how the run ended. */
  readonly why: string
}

export interface RunResult {
  /** Test files that passed, with the time that each took. */
  readonly passed: ReadonlyMap<string, number>
  readonly failed: ReadonlyArray<Failure>
}

export interface RunsOptions {
  /** Setup file of the tests. */
  readonly setup?: string
  readonly environment?: NodeJS.ProcessEnv
  /** How long any test file may take; by default a cold start on a busy machine fits in. */
  readonly graceMillis?: number
}

const defaultGraceMillis = 30_000
/** A mutant may be slower than the code it came from, and the machine busy; one that hangs is neither. */
const patience = 10

const hostFile = fileURLToPath(new URL("./test-host.ts", import.meta.url))

export class TestRuns {
  readonly #root: string
  readonly #options: RunsOptions
  /** How long a test file takes without mutants, in milliseconds. */
  readonly #usual: ReadonlyMap<string, number>
  #host: ChildProcess | undefined
  /** All test files of the project, once a host has told them. */
  tests: ReadonlyArray<string> = []

  constructor(root: string, usual: ReadonlyMap<string, number>, options: RunsOptions = {}) {
    this.#root = root
    this.#usual = usual
    this.#options = options
  }

  /** Starts a host where there is none; a run does so by itself. */
  async start(): Promise<ChildProcess> {
    if (this.#host !== undefined) return this.#host
    const { setup, environment } = this.#options
    const host = fork(hostFile, [this.#root, ...(setup === undefined ? [] : [setup])], {
      cwd: this.#root,
      env: { ...process.env, ...environment },
      // A group of its own, so that a kill reaches the workers.
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
          // An error outside of a test, or a worker that went down, is told at the end only.
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
