// docs/settings.md and --help equal the schemas of the roles: every setting with its meaning and default. `npm run
// golden` renews the page.

import { expect, test } from "vitest"
import { AgentConfig } from "../roles/agent/config.ts"
import { BuildIndexConfig } from "../roles/build-index/config.ts"
import { HerdConfig } from "../roles/herd/config.ts"
import { OriginConfig } from "../roles/origin/config.ts"
import { ProxyConfig } from "../roles/proxy/config.ts"
import { TrackerConfig } from "../roles/tracker/config.ts"
import { describeFlag } from "./config-flags.ts"
import { type Setting, settingAt, settingsOf } from "./settings.ts"

const roles = {
  agent: AgentConfig,
  herd: HerdConfig,
  origin: OriginConfig,
  tracker: TrackerConfig,
  "build-index": BuildIndexConfig,
  proxy: ProxyConfig
}

const keyText = (path: ReadonlyArray<string>): string => path.join(".").replaceAll(".[]", "[]")

const row = ({ path, type, meaning, isRequired, byDefault, former }: Setting): string => {
  const was = former.length === 0 ? "" : ` (formerly ${former.map(({ key }) => `\`${key}\``).join(", ")})`
  const otherwise = isRequired ? "required" : byDefault === undefined ? "" : `\`${byDefault}\``
  return `| \`${keyText(path)}\` | ${type} | ${otherwise} | ${meaning}${was} |`
}

const page = (): string => `# Settings

Every key of every role's configuration, generated from the schemas (\`config.ts\` in each role's folder); \`npm run
golden\` writes this page. Keys are nested: \`rates.egress\` is \`egress\` below \`rates\`, and \`upstreams[].name\` stands
for each element of the list.

| type | is written as |
|---|---|
| size | \`100GB\`, \`16MiB\`: decimal or binary units; a number is bytes |
| rate | \`200MB/s\`: a size each second, with its \`/s\`; a number is bytes a second |
| duration | \`5 minutes\`, \`30 seconds\`, \`PT1H30M\` (ISO 8601); a number is seconds |
| secret | \`"@/run/secrets/hub"\` (a file), \`env:HUB_PASSWORD\` (a variable of the environment), or the secret itself |
| listener | \`{ host: 0.0.0.0, port: 16001 }\` |
| image pattern | \`demo/*\`, \`library/**:v1*\`: \`*\` is any text without a slash, \`**\` any text |

A key that was once named after its unit is still read under that name; giving both is an error.
${Object.entries(roles)
  .map(
    ([role, schema]) => `
## ${role}

| key | type | default | meaning |
|---|---|---|---|
${settingsOf(schema).map(row).join("\n")}
`
  )
  .join("")}`

test("docs/settings.md is what the schemas say", async () => {
  await expect(page()).toMatchFileSnapshot("../../docs/settings.md")
})

test("every setting has a meaning, and is written once", () => {
  for (const schema of Object.values(roles)) {
    const settings = settingsOf(schema)
    expect(new Set(settings.map(({ path }) => path.join("."))).size).toBe(settings.length)
    for (const { meaning } of settings) expect(meaning).toMatch(/^[A-Z].*[^.]$/)
  }
})

test("a flag is described by its setting, with the default", () => {
  const settings = settingsOf(AgentConfig)
  const described = (about: ReadonlyArray<string>) => describeFlag({ name: "x", about }, settings)
  expect(described(["freshness"])).toMatch(/^How soon .* \(default: 5 seconds\)$/)
  expect(described(["trackers"])).toMatch(/; may be repeated$/)
  expect(() => described(["nothing"])).toThrow("--x")
  expect(settingAt(settings, ["rates", "burst"])?.byDefault).toBe("1 MiB")
})
