// The documents of the roles' HTTP APIs equal their definitions: one OpenAPI document per role in docs/openapi/, and
// the tables of docs/protocol.md between their markers. `npm run golden` renews them.

import { readFileSync } from "node:fs"
import { join } from "node:path"
import { OpenApi } from "effect/http-api"
import { expect, test } from "vitest"
import { BuildIndexCollectApi } from "../roles/build-index/build-index-collect.ts"
import { AgentApi } from "../roles/client/agent-api.ts"
import { BuildIndexApi } from "../roles/client/build-index-api.ts"
import { OriginApi } from "../roles/client/origin-api.ts"
import { TrackerApi } from "../roles/client/tracker-api.ts"
import { OriginCollectApi } from "../roles/origin/origin-collect.ts"
import { PreheatApi } from "../roles/proxy/preheat-api.ts"

const documents = {
  tracker: OpenApi.fromApi(TrackerApi),
  origin: OpenApi.fromApi(OriginApi.addHttpApi(OriginCollectApi)),
  "build-index": OpenApi.fromApi(BuildIndexApi.addHttpApi(BuildIndexCollectApi)),
  proxy: OpenApi.fromApi(PreheatApi),
  agent: OpenApi.fromApi(AgentApi)
}

interface Operation {
  readonly summary: string
  readonly parameters: ReadonlyArray<{ readonly in: string; readonly name: string }>
  readonly responses: Readonly<Record<string, unknown>>
}

interface Call {
  readonly method: string
  readonly path: string
  readonly operation: Operation
}

const callsOf = ({ paths }: OpenApi.OpenAPISpec): ReadonlyArray<Call> =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods as Readonly<Record<string, Operation>>).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      operation
    }))
  )

const row = ({ method, path, operation }: Call): string => {
  const query = operation.parameters.filter((parameter) => parameter.in === "query").map(({ name }) => name)
  const asked = query.length === 0 ? "" : `?${query.join("&")}`
  const statuses = Object.keys(operation.responses).join(", ")
  return `| \`${method} ${path}${asked}\` | ${statuses} | ${operation.summary} |`
}

const tables = Object.entries(documents)
  .map(
    ([role, document]) => `### ${role}

[openapi/${role}.json](openapi/${role}.json)

| call | statuses | |
|---|---|---|
${callsOf(document).map(row).join("\n")}
`
  )
  .join("\n")

test.each(Object.entries(documents))("docs/openapi has the API of %s", async (role, document) => {
  await expect(`${JSON.stringify(document, undefined, 2)}\n`).toMatchFileSnapshot(
    `../../docs/openapi/${role}.json`
  )
})

test("docs/protocol.md has every call", async () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/protocol.md"), "utf8")
  const [before, , after] = page.split(/<!-- (?:calls, generated|end of calls) -->\n/)
  expect(after, "the markers around the calls in docs/protocol.md").toBeDefined()
  const renewed = `${before}<!-- calls, generated -->\n\n${tables}\n<!-- end of calls -->\n${after}`
  await expect(renewed).toMatchFileSnapshot("../../docs/protocol.md")
})

test("every call says what it is for", () => {
  for (const call of Object.values(documents).flatMap(callsOf)) {
    expect(call.operation.summary, `${call.method} ${call.path}`).toMatch(/^[A-Z].*[^.]$/)
  }
})
