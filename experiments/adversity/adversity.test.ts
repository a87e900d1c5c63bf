// Tests of the experiment adversity at a small size: every scenario does to the hosts what it says, the hosts that stay
// complete, and impossible figures are refused.

import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { assertPlain } from "../../testing/experiments/plain-answer.ts"
import { silentProgress } from "../engine/progress.ts"
import { boundOf } from "../flash-crowd/crowd-bound.ts"
import { drawChart } from "../report/chart.ts"
import { adversity } from "./adversity.ts"
import { figuresOf } from "./adversity-figures.ts"
import { type Adversity, type AdversityOptions, crowdOf, scenariosOf } from "./adversity-scenarios.ts"
import { type AdverseOutcome, watchAdversity } from "./adversity-watch.ts"

const options: AdversityOptions = {
  agents: 12,
  origins: 3,
  trackers: 2,
  size: 10_000_000,
  rate: 1_000_000,
  latency: 500,
  links: "fair",
  churn: 50,
  loss: 1,
  "slow-rate": 500_000
}

const scenario = (name: string): Adversity => {
  const found = scenariosOf(options).find((known) => known.name === name)
  assert.isDefined(found, name)
  return found.adversity
}

const run = (name: string): Promise<AdverseOutcome> =>
  Effect.runPromise(watchAdversity(crowdOf(options, scenario(name), 1), scenario(name), silentProgress))

const figures = async (name: string) => {
  const found = figuresOf(options, scenario(name), 1, await run(name))
  assert(typeof found !== "string", String(found))
  return found
}

describe("a flash crowd in trouble", () => {
  it("loses hosts for good and gets others, which all complete", async () => {
    const churned = await figures("churn")
    assert.isAbove(churned.left, 0)
    assert.strictEqual(churned.arrived, churned.left)
    assert.strictEqual(churned.survivors, options.agents)
    assert.isDefined(churned.came)
  })

  it("loses frames, and counts their bytes", async () => {
    const outcome = await run("loss")
    // There are only a few hundred pieces, so the share of lost bytes differs from one in a hundred.
    assert.isAbove(outcome.bytesLost / outcome.bytesSent, 0.002)
    assert.isBelow(outcome.bytesLost / outcome.bytesSent, 0.03)
    assert.strictEqual((await run("calm")).bytesLost, 0)
  })

  it("continues without an origin, without trackers, and while a part is cut off", async () => {
    for (const name of ["origin gone", "trackers away", "zone cut"]) {
      const { survivors, fast } = await figures(name)
      assert.strictEqual(survivors, options.agents, name)
      assert.isBelow(fast.ratio.max, 2, name)
    }
  })

  it("survives all troubles at once, twice with the same outcome", async () => {
    const [first, second] = [await run("together"), await run("together")]
    assert.deepStrictEqual(second, first)
    const together = figuresOf(options, scenario("together"), 1, first)
    assert(typeof together !== "string")
    assert.isDefined(together.slow)
    assert.strictEqual(together.cut, 4)
  })
})

describe("figures of a flash crowd in trouble", () => {
  const spec = crowdOf(options, {}, 1)
  const bound = Math.ceil(boundOf(spec).seconds * 1e6)
  const outcome = (doneAt: ReadonlyArray<number>): AdverseOutcome => ({
    traceHash: "",
    events: 0,
    bytesSent: 0,
    bytesLost: 0,
    hosts: doneAt.map((done) => ({ askedAt: 0, doneAt: done, failedPulls: 0 }))
  })
  const all = Array.from({ length: options.agents }, () => bound)

  it("are not credible when a host is faster than its links", () => {
    assert.include(figuresOf(options, {}, 1, outcome(all.with(3, 9_000_000))) as string, "a fast host")
    assert.include(figuresOf(options, {}, 1, outcome(all.map((at) => at - 2))) as string, "counting bound")
    const slow = { slow: { agents: 2, rate: 500_000 } }
    assert.include(figuresOf(options, slow, 1, outcome(all)) as string, "a slow host")
  })

  it("count the time of a host that came later since it could ask", () => {
    const away = { trackersAway: { from: 5_000_000, until: 30_000_000 } }
    const came = { askedAt: 10_000_000, doneAt: 30_000_000 + 10_100_000, failedPulls: 1 }
    const found = figuresOf(options, away, 1, { ...outcome(all), hosts: [...outcome(all).hosts, came] })
    assert(typeof found !== "string")
    assert.closeTo(found.came?.p50_s ?? 0, 10.1, 1e-9)
    assert.strictEqual(found.failedPulls, 1)
  })
})

describe("adversity", () => {
  it("shows every scenario and names those that miss the aim", async () => {
    const prepared = await Effect.runPromise(adversity.prepare({}, [1, 2]))
    assert.lengthOf(prepared.cells, 16)
    const times = { p50_s: 1, p99_s: 1, p999_s: 1, max_s: 1, bound_s: 1 }
    const outcome = (ratio: number) => ({
      traceHash: "",
      events: 0,
      lostShare: 0,
      figures: {
        fast: { ...times, ratio: { p50: 1, p99: 1, p999: 1, max: ratio } },
        worstRatio: ratio,
        survivors: 500,
        left: 0,
        leftPulling: 0,
        arrived: 0,
        cut: 0,
        failedPulls: 0
      }
    })
    // The second seed of "loss" is the bad one.
    const ratios = prepared.cells.map(({ label }) => (label === "loss, seed 2" ? 1.3 : 1.1))
    const measured = await Effect.runPromise(prepared.conclude(ratios.map(outcome)))
    const { strategies, figures } = measured
    const answer = assertPlain(prepared.answer({ seeds: "1,2", strategies, figures }))
    assert.include(answer, "Scenarios that miss the aim of 1.25: loss.")
    const all = await Effect.runPromise(prepared.conclude(ratios.map(() => outcome(1.3))))
    assertPlain(prepared.answer({ seeds: "1,2", strategies, figures: all.figures }))
    const none = await Effect.runPromise(prepared.conclude(ratios.map(() => outcome(1.25))))
    assert.include(
      assertPlain(prepared.answer({ seeds: "1,2", strategies, figures: none.figures })),
      "the worst host takes 1.250 times its bound, without any 1.250 times. Every scenario meets the aim of 1.25."
    )
    assert.strictEqual(measured.figures.ratio_loss?.value, 1.3)
    assert.strictEqual(measured.tables?.[0]?.rows.length, 8)
    const [chart] = await Effect.runPromise(Effect.forEach(measured.charts, drawChart))
    for (const rule of ["bound", "aim 1.25"]) assert.include(chart?.svg ?? "", `>${rule}</text>`)
  })
})
