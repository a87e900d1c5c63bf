// Tests of the words for the model of links of a result, made-up ones and those of the kept reports.

import { existsSync, readFileSync } from "node:fs"
import { assert, describe, it } from "vitest"
import { experiments } from "../registry.ts"
import { linkBadge } from "./link-badge.ts"

const option = { name: "links", meaning: "", byDefault: "fair" }

describe("the badge of links", () => {
  it("is the option of the result, or what the experiment always measures", () => {
    const of = (links: string) => linkBadge({ options: [option] }, { options: { links } })
    assert.strictEqual(of("fair"), "links: fair")
    assert.strictEqual(of("fair,queue"), "links: fair and queue")
    assert.strictEqual(
      linkBadge({ options: [], links: ["fair", "queue"] }, { options: {} }),
      "links: fair and queue"
    )
  })

  it("says that a result is older than the option", () => {
    assert.strictEqual(
      linkBadge({ options: [option] }, { options: { agents: "5" } }),
      "links: queue (made before the option)"
    )
    assert.isUndefined(linkBadge({ options: [] }, { options: {} }))
  })

  it("exists for every experiment and every kept report", () => {
    for (const experiment of experiments) {
      const defaults = Object.fromEntries(experiment.options.map(({ name, byDefault }) => [name, byDefault]))
      assert.match(linkBadge(experiment, { options: defaults }) ?? "", /^links: /, experiment.name)
      const path = new URL(`../../reports/${experiment.name}/result.json`, import.meta.url)
      if (!existsSync(path)) continue
      const result = JSON.parse(readFileSync(path, "utf8"))
      assert.match(linkBadge(experiment, result) ?? "", /^links: (fair|queue)/, experiment.name)
    }
  })
})
