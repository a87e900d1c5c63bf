// The hunt finds the mutants that the tests kill, in little time. First it runs each mutant alone against the test
// files that reach it, the most promising first, until one fails or the time for one mutant is spent: nearly every
// kill is found this way. Then it runs the remaining test files one by one against all living mutants that reach
// them, inserted together: if the file passes, all of them survived it; if not, halves are tried until single mutants
// fail. A kill always belongs to one mutant alone. A mutant that another one hides counts as survived, so the score
// is never too good.

import { type Mutant, overlap } from "./mutants.ts"
import type { RunResult } from "./test-runs.ts"

export type Verdict =
  /** So far. `left` is the number of test files that reach the mutant and have not run yet. */
  | { readonly tag: "Alive"; readonly left: number }
  | { readonly tag: "Killed"; readonly by: string; readonly why: string }
  | { readonly tag: "Survived"; readonly tests: number }

/** Runs test files in this order with the mutants inserted, until one fails. */
export type Attempt = (mutants: ReadonlyArray<Mutant>, tests: ReadonlyArray<string>) => Promise<RunResult>

export interface HuntPlan {
  readonly mutants: ReadonlyArray<Mutant>
  /** Test files that reach the mutant. */
  readonly reaching: (mutant: Mutant) => ReadonlyArray<string>
  /** Milliseconds that a test file takes without mutants. */
  readonly usual: ReadonlyMap<string, number>
  /** Milliseconds of test files that one mutant may cost alone. */
  readonly budget: number
  /** Maximum of mutants that are inserted together: many hide each other, few need many runs. */
  readonly together: number
  readonly onVerdict: (mutant: Mutant, verdict: Verdict) => void
  readonly onProgress: (text: string) => void
}

/** The file nearer to the mutant is tried first when two are equally promising. */
const nearness = (mutant: Mutant, test: string): number => {
  const [ours, theirs] = [mutant.path.split("/"), test.split("/")]
  const name = ours.at(-1)!.replace(/\.ts$/, "")
  if (theirs.at(-1)!.startsWith(`${name}.`)) return 16
  const same = ours.slice(0, -1).filter((part, index) => part === theirs[index]).length
  return same >= ours.length - 1 ? 4 : 1
}

export class Hunt {
  readonly #plan: HuntPlan
  readonly #attempts: ReadonlyArray<Attempt>
  /** Runs and kills of each test file so far. */
  readonly #records = new Map<string, { runs: number; kills: number }>()
  /** Test files that have not run against the mutant yet. A killed mutant is removed. */
  readonly #left = new Map<Mutant, Set<string>>()

  /** Runs one mutant at a time per attempt. */
  constructor(plan: HuntPlan, attempts: ReadonlyArray<Attempt>) {
    this.#plan = plan
    this.#attempts = attempts
    for (const mutant of plan.mutants) this.#left.set(mutant, new Set(plan.reaching(mutant)))
  }

  async run(): Promise<void> {
    let done = 0
    await this.#spread(this.#plan.mutants, async (mutant, attempt) => {
      await this.#alone(mutant, attempt)
      done++
      this.#plan.onProgress(
        `${done}/${this.#plan.mutants.length} met their nearest tests, ${this.#left.size} alive`
      )
    })
    const tests = [...new Set([...this.#left.values()].flatMap((left) => [...left]))]
    tests.sort((one, other) => this.#usual(one) - this.#usual(other))
    let met = 0
    await this.#spread(tests, async (test, attempt) => {
      for (const group of this.#groups(test)) await this.#killersIn(group, test, attempt)
      met++
      this.#plan.onProgress(`${met}/${tests.length} other test files met all, ${this.#left.size} alive`)
    })
    for (const mutant of this.#left.keys()) {
      this.#plan.onVerdict(mutant, { tag: "Survived", tests: this.#plan.reaching(mutant).length })
    }
  }

  /** Runs the mutant against its most promising tests. */
  async #alone(mutant: Mutant, attempt: Attempt): Promise<void> {
    const left = this.#left.get(mutant)!
    const ordered = [...left].sort(
      (one, other) => this.#expectedKills(mutant, other) - this.#expectedKills(mutant, one)
    )
    let millis = 0
    const tests = ordered.filter((test, index) => {
      if (index > 0 && millis + this.#usual(test) > this.#plan.budget) return false
      millis += this.#usual(test)
      return true
    })
    const result = await attempt([mutant], tests)
    for (const test of result.passed.keys()) {
      left.delete(test)
      this.#record(test).runs++
    }
    const failure = result.failed[0]
    if (failure !== undefined) this.#kill(mutant, failure.test, failure.why)
    else this.#plan.onVerdict(mutant, { tag: "Alive", left: left.size })
  }

  /** Living mutants that this test file has not met yet, in groups without overlaps. */
  #groups(test: string): ReadonlyArray<ReadonlyArray<Mutant>> {
    const groups: Array<Array<Mutant>> = []
    for (const [mutant, left] of this.#left) {
      if (!left.has(test)) continue
      const group = groups.find(
        (one) => one.length < this.#plan.together && !one.some((other) => overlap(other, mutant))
      )
      if (group === undefined) groups.push([mutant])
      else group.push(mutant)
    }
    return groups
  }

  async #killersIn(group: ReadonlyArray<Mutant>, test: string, attempt: Attempt): Promise<void> {
    const failure = (await attempt(group, [test])).failed[0]
    if (failure === undefined) {
      for (const mutant of group) this.#left.get(mutant)?.delete(test)
    } else if (group.length === 1) {
      this.#kill(group[0]!, test, failure.why)
    } else {
      const half = Math.ceil(group.length / 2)
      await this.#killersIn(group.slice(0, half), test, attempt)
      await this.#killersIn(group.slice(half), test, attempt)
    }
  }

  #kill(mutant: Mutant, test: string, why: string): void {
    if (!this.#left.delete(mutant)) return
    const record = this.#record(test)
    record.runs++
    record.kills++
    this.#plan.onVerdict(mutant, { tag: "Killed", by: test, why })
  }

  /** Kills per millisecond that this test file is likely to bring. */
  #expectedKills(mutant: Mutant, test: string): number {
    const { runs, kills } = this.#record(test)
    return (((kills + 0.5) / (runs + 2)) * nearness(mutant, test)) / (this.#usual(test) + 20)
  }

  #record(test: string): { runs: number; kills: number } {
    const record = this.#records.get(test) ?? { runs: 0, kills: 0 }
    this.#records.set(test, record)
    return record
  }

  #usual(test: string): number {
    return this.#plan.usual.get(test) ?? 0
  }

  /** Processes every item once, with one item at a time per attempt. */
  async #spread<A>(
    items: ReadonlyArray<A>,
    work: (item: A, attempt: Attempt) => Promise<void>
  ): Promise<void> {
    const queue = [...items]
    await Promise.all(
      this.#attempts.map(async (attempt) => {
        for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item, attempt)
      })
    )
  }
}
