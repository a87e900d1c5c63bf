// Holds the YAML of README and docs/operations.md to the schemas: every example is read as its first line says
// ("# agent.yaml"), over the keys that its role requires, and no key of it is a former one.

import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, type Schema } from "effect"
import { Yaml } from "effect/encoding"
import { expect, test } from "vitest"
import { AgentConfig } from "../roles/agent/config.ts"
import { BuildIndexConfig } from "../roles/build-index/config.ts"
import { HerdConfig } from "../roles/herd/config.ts"
import { OriginConfig } from "../roles/origin/config.ts"
import { ProxyConfig } from "../roles/proxy/config.ts"
import { decodeConfig } from "./config-file.ts"
import { settingsOf } from "./settings.ts"

const listen = { port: 1 }
const urls = ["http://a:1"]

/** What a role cannot do without. */
const roles: Readonly<Record<string, readonly [schema: Schema.ConstraintDecoder<unknown>, least: object]>> = {
  agent: [AgentConfig, { data: "d", peer: listen, registry: listen, trackers: urls, buildIndexes: urls }],
  "build-index": [BuildIndexConfig, { data: "d", http: listen }],
  herd: [
    HerdConfig,
    { data: "d", peer: listen, proxy: listen, origin: listen, tracker: listen, buildIndex: listen }
  ],
  origin: [OriginConfig, { data: "d", peer: listen, http: listen, origins: urls, self: "http://a:1" }],
  proxy: [ProxyConfig, { data: "d", registry: listen, origins: urls, buildIndexes: urls }]
}

const examplesIn = (page: string) =>
  [...readFileSync(join(import.meta.dirname, "../..", page), "utf8").matchAll(/^```yaml\n(.*?)^```$/gms)].map(
    ([, text = ""], index) => ({ name: `example ${index + 1} of ${page}`, text })
  )

const examples = ["README.md", "docs/operations.md"].flatMap(examplesIn)

test("there are examples to look at", () => {
  expect(examples.length).toBeGreaterThan(9)
})

test.each(examples)("$name is a configuration", ({ text }) => {
  const role = roles[/^# ([a-z-]+)\.yaml/.exec(text)?.[1] ?? ""]
  if (role === undefined) throw new Error(`"# ROLE.yaml" is missing: ${text}`)
  const [schema, least] = role
  const keys = { ...least, ...(Yaml.parse(text) as object) }
  Effect.runSync(decodeConfig(schema, "the example", keys, [], () => undefined))
  const former = settingsOf(schema).flatMap((setting) => setting.former.map(({ key }) => key))
  for (const key of former) expect(text).not.toMatch(new RegExp(`\\b${key}:`))
})
