// A survey of mutants from beginning to end: the compiler rejects some, one run of all tests records the reach and
// the time of each test file, and the hunt finds the rest of the killed ones. Every lane has its own sandbox and test
// host, which are removed when the survey ends, for whatever reason.

import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { SourceFile } from "../../src/architecture/source-files.ts"
import { equivalence } from "./equivalent.ts"
import { type Attempt, Hunt, type Verdict } from "./hunt.ts"
import { byPath, type Mutant } from "./mutants.ts"
import { loadersOf } from "./product.ts"
import { instrument, readReached } from "./reach.ts"
import { folderVariable, testsVariable } from "./reach-environment.ts"
import { Sandbox } from "./sandbox.ts"
import { type RunResult, type RunsOptions, TestRuns } from "./test-runs.ts"
import { rejectedByTypes } from "./type-check.ts"

export type Finding =
  | Verdict
  | { readonly tag: "Rejected"; readonly error: string }
  | { readonly tag: "Equivalent"; readonly reason: string }

export interface SurveyOptions {
  readonly repository: string
  readonly files: ReadonlyArray<SourceFile>
  readonly mutants: ReadonlyArray<Mutant>
  /** Only test files whose path contains this. */
  readonly tests: string
  /** Mutants at the same time. */
  readonly workers: number
  /** Milliseconds of test files that one mutant may cost alone. */
  readonly budget: number
  /** Maximum of mutants that are inserted together. */
  readonly together: number
  readonly onFinding: (mutant: Mutant, finding: Finding) => void
  readonly onProgress: (text: string) => void
}

/** The tests fail without a mutant, or do not start. */
export class TestsFail extends Error {
  override readonly name = "TestsFail"
}

interface Reach {
  readonly reaching: (mutant: Mutant) => ReadonlyArray<string>
  readonly usual: ReadonlyMap<string, number>
}

const setup = fileURLToPath(new URL("./record-reach.setup.ts", import.meta.url))

export class Survey {
  readonly #options: SurveyOptions
  readonly #sources: ReadonlyMap<string, string>
  readonly #sandboxes: Array<Sandbox> = []
  readonly #runs: Array<TestRuns> = []
  readonly #stop = new AbortController()
  /** Settles when no compiler runs. */
  #compiled: Promise<unknown> = Promise.resolve()

  constructor(options: SurveyOptions) {
    this.#options = options
    this.#sources = new Map(options.files.map(({ path, text }) => [path, text]))
  }

  async run(): Promise<void> {
    const { mutants, onFinding, onProgress } = this.#options
    try {
      const unknown = mutants.filter((mutant) => {
        const reason = equivalence(mutant)
        if (reason !== undefined) onFinding(mutant, { tag: "Equivalent", reason })
        return reason === undefined
      })
      const sandbox = this.#sandbox()
      const compiling = rejectedByTypes(unknown, sandbox, onProgress, this.#stop.signal)
      this.#compiled = compiling.catch(() => undefined)
      const rejected = await compiling
      for (const [mutant, error] of rejected) onFinding(mutant, { tag: "Rejected", error })
      const standing = unknown.filter((mutant) => !rejected.has(mutant))
      const reach = await this.#reach(sandbox, standing)
      await this.#hunt(standing, reach)
    } finally {
      await this.end()
    }
  }

  /** Kills and removes everything that the survey started and made. */
  async end(): Promise<void> {
    this.#stop.abort()
    await this.#compiled
    for (const runs of this.#runs.splice(0)) runs.kill()
    for (const sandbox of this.#sandboxes.splice(0)) sandbox.remove()
  }

  #sandbox(): Sandbox {
    const sandbox = new Sandbox(this.#options.repository, this.#sources)
    this.#sandboxes.push(sandbox)
    return sandbox
  }

  #testRuns(sandbox: Sandbox, usual: ReadonlyMap<string, number>, options?: RunsOptions): TestRuns {
    const runs = new TestRuns(sandbox.root, usual, options)
    this.#runs.push(runs)
    return runs
  }

  async #reach(sandbox: Sandbox, mutants: ReadonlyArray<Mutant>): Promise<Reach> {
    const { files, onProgress } = this.#options
    const blocks = new Map<Mutant, number>()
    const texts = new Map<string, string>()
    for (const [path, group] of byPath(mutants)) {
      const instrumented = instrument(this.#sources.get(path)!, group, blocks.size)
      texts.set(path, instrumented.text)
      for (const [mutant, number] of instrumented.blocks) blocks.set(mutant, number)
    }
    sandbox.replace(texts)
    const folder = join(sandbox.root, ".mutation-reach")
    mkdirSync(folder)
    const tests = await this.#listTests(sandbox)
    const absolute = tests.map((test) => join(sandbox.root, test))
    const runs = this.#testRuns(sandbox, new Map(), {
      setup,
      environment: { [folderVariable]: folder, [testsVariable]: JSON.stringify(absolute) }
    })
    let ended = 0
    const { passed, failed } = await runs.run({ tests, changed: [], bail: false }, (test) =>
      onProgress(`reach: ${++ended}/${tests.length} test files, ${test}`)
    )
    runs.kill()
    sandbox.hold([])
    await this.#passUnchanged(sandbox, failed)
    const reached = readReached(folder, tests.length)
    const loaders = loadersOf(files)
    const reaching = (mutant: Mutant): ReadonlyArray<string> => {
      const block = blocks.get(mutant)
      const loads =
        block === undefined || reached.whileLoading.has(block) ? loaders(mutant.path) : new Set<string>()
      return tests.filter(
        (test, number) =>
          passed.has(test) && (loads.has(test) || (block !== undefined && reached.byTest[number]!.has(block)))
      )
    }
    const known = new Map(mutants.map((mutant) => [mutant, reaching(mutant)]))
    return { reaching: (mutant) => known.get(mutant) ?? [], usual: passed }
  }

  /**
   * Tests that fail with instrumented sources but pass without test the text of sources, and no mutant. Others are
   * broken.
   */
  async #passUnchanged(sandbox: Sandbox, failed: RunResult["failed"]): Promise<void> {
    const runs = this.#testRuns(sandbox, new Map())
    const tests = failed.map(({ test }) => test)
    const broken = (await runs.run({ tests, changed: [], bail: true })).failed[0]
    runs.kill()
    if (broken !== undefined)
      throw new TestsFail(`${broken.test} fails without a mutant: ${broken.why}; repair it first`)
    for (const test of tests) this.#options.onProgress(`${test} tests the text of sources: skipped`)
  }

  async #listTests(sandbox: Sandbox): Promise<ReadonlyArray<string>> {
    const runs = this.#testRuns(sandbox, new Map())
    await runs.start()
    runs.kill()
    const tests = runs.tests.filter((test) => test.includes(this.#options.tests))
    if (tests.length === 0) throw new TestsFail(`no test file has "${this.#options.tests}" in its path`)
    return tests
  }

  async #hunt(mutants: ReadonlyArray<Mutant>, { reaching, usual }: Reach): Promise<void> {
    const { budget, together, onFinding, onProgress, workers } = this.#options
    const lanes = Array.from({ length: workers }, (_, lane): Attempt => {
      const sandbox = lane === 0 ? this.#sandboxes[0]! : this.#sandbox()
      const runs = this.#testRuns(sandbox, usual)
      return (put, tests) => runs.run({ tests, changed: sandbox.hold(put), bail: true })
    })
    const plan = { mutants, reaching, usual, budget, together, onProgress, onVerdict: onFinding }
    await new Hunt(plan, lanes).run()
  }
}
