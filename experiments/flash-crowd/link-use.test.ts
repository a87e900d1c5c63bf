// Tests of the use of the agents' links: shares against a case worked out by hand, the time of each agent of its own,
// and a network that claims more than a link can carry.

import { assert, describe, it } from "vitest"
import type { HostUse } from "../../src/runtime-sim/network/links.ts"
import { LinkUseWatch, linkUseFigures, spreadText } from "./link-use.ts"

const use = (up: readonly [number, number], down: readonly [number, number]): HostUse => ({
  uplink: { busy: up[0], bytes: up[1] },
  downlink: { busy: down[0], bytes: down[1] }
})

describe("the use of links", () => {
  it("is of each agent's own time and rate, without what came before", () => {
    let now: ReadonlyArray<HostUse> = [use([10, 50], [20, 100]), use([0, 0], [0, 0])]
    // The second agent has links of half the rate: 50 bytes a microsecond.
    const watch = new LinkUseWatch(
      2,
      (agent) => (agent === 0 ? 100e6 : 50e6),
      (agent) => now[agent]!
    )
    now = [use([510, 25_050], [920, 80_100]), use([0, 0], [0, 0])]
    watch.completed(0, 1000)
    now = [use([9000, 900_000], [9000, 900_000]), use([400, 20_000], [2000, 90_000])]
    watch.completed(1, 2000)
    assert.deepStrictEqual(watch.summary(), {
      uplink: { busy: { p10: 0.2, p50: 0.2, p90: 0.5 }, carried: { p10: 0.2, p50: 0.2, p90: 0.25 } },
      downlink: { busy: { p10: 0.9, p50: 0.9, p90: 1 }, carried: { p10: 0.8, p50: 0.8, p90: 0.9 } }
    })
    const figures = linkUseFigures(watch.summary())
    assert.lengthOf(Object.keys(figures), 12)
    assert.strictEqual(figures.downlink_carried_p90?.value, 0.9)
    assert.strictEqual(figures.uplink_busy_p10?.value, 0.2)
    assert.strictEqual(spreadText(watch.summary().uplink.busy), "0.20 / 0.20 / 0.50")
  })

  it("stops a run in which a link carried more than it can, or longer than the time", () => {
    let now = use([0, 0], [0, 0])
    const watch = new LinkUseWatch(
      1,
      () => 100e6,
      () => now
    )
    now = use([500, 50_300], [0, 0])
    assert.throws(() => watch.completed(0, 1000), /agent 1 used its uplink/)
    now = use([0, 0], [1010, 100])
    assert.throws(() => watch.completed(0, 1000), /agent 1 used its downlink/)
  })
})
