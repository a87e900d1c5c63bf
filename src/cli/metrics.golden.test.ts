// docs/metrics.md lists every metric of every role as its definition describes it. `npm run golden` renews the page.

import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import "../roles/agent/agent.ts"
import "../roles/build-index/build-index.ts"
import "../roles/origin/origin.ts"
import "../roles/proxy/proxy.ts"
import "../roles/tracker/tracker.ts"
import { definedMetrics, type MetricDefinition } from "../roles/services/metrics.ts"

const labelsOf = ({ labels }: MetricDefinition): string =>
  Object.entries(labels)
    .map(([label, values]) => `\`${label}\` (${values})`)
    .join(", ")

const row = (metric: MetricDefinition): string =>
  `| \`${metric.name}\` | ${metric.kind} | ${metric.of} | ${labelsOf(metric)} | ${metric.description} |`

const page = (): string => `# Metrics

A role answers \`GET /metrics\` in the Prometheus text format, with the metrics that the column "of" assigns to it. Each
series has the label \`role\`, since a process may run several roles. A metric whose name ends in \`_total\` counts from the
start of the process, and so does a histogram (\`_bucket\`, \`_sum\` and \`_count\`), whose values are seconds; any other has
its value at the time of the scrape. \`npm run golden\` generates this page from the definitions in the code.
docs/operations.md says what to watch.

| metric | type | of | labels | meaning |
|---|---|---|---|---|
${definedMetrics().map(row).join("\n")}
`

test("docs/metrics.md is what the definitions say", async () => {
  await expect(page()).toMatchFileSnapshot("../../docs/metrics.md")
})

test("every metric in the sources is defined, named after its kind, and explained", () => {
  const roles = join(import.meta.dirname, "..", "roles")
  const sources = readdirSync(roles, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
    .map((path) => readFileSync(join(roles, path), "utf8"))
  const named = new Set(
    sources.flatMap((text) => [...text.matchAll(/"(shoal_\w+)"/g)].map(([, name]) => name!))
  )
  expect(definedMetrics().map(({ name }) => name)).toEqual([...named].sort())
  for (const { name, kind, description } of definedMetrics()) {
    expect(name.endsWith("_total"), name).toBe(kind === "counter")
    expect(description, name).toMatch(/^[A-Z].*[^.]$/)
  }
})
