// No secret of a configuration is ever shown: not by the decoded configuration, not by an error about its surroundings,
// not by a log line. A secret that the configuration only names is read before a role starts.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inspect } from "node:util"
import { Effect, Result } from "effect"
import { describe, expect, test } from "vitest"
import { HerdConfig } from "../roles/herd/config.ts"
import { readSecret } from "../runtime-net/platform/node-secrets.ts"
import { pinoLogger } from "../runtime-net/process/pino-logger.ts"
import { decodeConfig, readConfigFile } from "./config-file.ts"
import { checkSecrets } from "./config-secrets.ts"
import { settingsOf } from "./settings.ts"

const secret = "hunter2-hunter2"
const settings = settingsOf(HerdConfig)
const withUpstream = (upstream: unknown) => ({
  data: "d",
  peer: { port: 1 },
  proxy: { port: 2 },
  origin: { port: 3 },
  tracker: { port: 4 },
  buildIndex: { port: 5 },
  upstreams: [upstream]
})
const withCredentials = (credentials: unknown) =>
  withUpstream({ name: "docker.io", url: "https://registry-1.docker.io", credentials })

const decode = (keys: Record<string, unknown>) =>
  Effect.runSync(Effect.result(decodeConfig(HerdConfig, "herd.yaml", keys, [], () => undefined)))
const decoded = (credentials: object) => Result.getOrThrow(decode(withCredentials(credentials)))
const problem = (keys: Record<string, unknown>): string => {
  const result = decode(keys)
  if (Result.isSuccess(result)) throw new Error("was taken")
  return result.failure.message
}
const passwordOf = (credentials: object) => decoded(credentials).upstreams[0]?.credentials?.password

describe("a secret in a configuration", () => {
  test("is itself, a file or a variable, also under the keys that it had before", () => {
    expect(passwordOf({ username: "robot", password: "@/run/hub" })).toEqual({
      tag: "File",
      path: "/run/hub"
    })
    expect(passwordOf({ username: "robot", passwordFile: "/run/hub" })).toEqual({
      tag: "File",
      path: "/run/hub"
    })
    const variable = { tag: "Environment", variable: "HUB" }
    expect(passwordOf({ username: "robot", password: "env:HUB" })).toEqual(variable)
    expect(passwordOf({ username: "robot", passwordEnv: "HUB" })).toEqual(variable)
    expect(
      problem(withCredentials({ username: "robot", passwordEnv: "HUB", passwordFile: "/run/hub" }))
    ).toBe(
      "herd.yaml: upstreams.0.credentials: passwordEnv and passwordFile are one setting: give password alone"
    )
  })

  test.each(["", "@", "env:", "env:A=B", "env:A B", 5, null])("is not %j", (password) => {
    expect(problem(withCredentials({ username: "robot", password }))).toContain(
      'credentials.password: expected "@FILE", "env:NAME", or the secret itself as text'
    )
  })

  test("is not shown by the configuration, however it is printed or logged", () => {
    const config = decoded({ username: "robot", password: secret })
    const lines: Array<string> = []
    for (const format of ["json", "pretty"] as const) {
      const logger = pinoLogger({ level: "trace", format }, { write: (line) => void lines.push(line) })
      Effect.logInfo("started with", config, config.upstreams[0]?.credentials?.password).pipe(
        Effect.annotateLogs({ config, password: config.upstreams[0]?.credentials?.password }),
        Effect.provide(logger),
        Effect.runSync
      )
    }
    expect(lines).toHaveLength(2)
    const printed = [inspect(config, { depth: 20, showHidden: true }), JSON.stringify(config), ...lines].join(
      "\n"
    )
    expect(printed).toContain("robot")
    expect(printed).toContain("redacted")
    expect(printed).not.toContain(secret)
  })

  test.each([
    withCredentials({ username: `robot:${secret}`, password: "x" }),
    withCredentials({ username: "robot", password: [secret] }),
    withCredentials({ username: "robot", password: { value: secret } }),
    withCredentials({ username: "robot", pasword: secret }),
    withCredentials({ username: "robot", password: `@${secret}`, passwordFile: secret }),
    withCredentials({ password: secret }),
    withCredentials(`robot:${secret}`),
    withCredentials([`robot:${secret}`]),
    withUpstream(secret),
    { ...withUpstream({}), upstreams: secret },
    withUpstream({ name: "docker.io", url: `https://robot:${secret}@registry-1.docker.io` }),
    withUpstream({
      name: "docker.io",
      url: "http://registry.example",
      credentials: { username: "a", password: secret }
    })
  ])("is not shown by an error about %j", (keys) => {
    const told = problem(keys)
    expect(told).toContain("herd.yaml: upstreams")
    expect(told).not.toContain(secret)
  })

  test.each([
    ["herd.json", `{"upstreams": [{"credentials": {"password": ${secret}}}]}`],
    ["herd.json", `{"password": "${secret}" "x": 1}`],
    ["herd.yaml", `upstreams:\n  - credentials: { password: "${secret}\n`],
    ["herd.yaml", `password: ${secret}: x\n`],
    ["herd.yaml", `password: ${secret}\npassword: ${secret}\n`],
    ["herd.yaml", `${secret}\n`]
  ])("is not shown when %s is not well-formed", (name, text) => {
    const folder = mkdtempSync(join(tmpdir(), "shoal-secrets-"))
    writeFileSync(join(folder, name), text)
    const { message } = Effect.runSync(Effect.flip(readConfigFile(join(folder, name))))
    rmSync(folder, { recursive: true })
    expect(message).toContain(name)
    expect(message).not.toContain(secret.slice(0, 6))
  })
})

describe("secrets that a configuration names", () => {
  const check = (credentials: object) =>
    Effect.runSync(Effect.result(checkSecrets(decoded(credentials), settings, "herd.yaml", readSecret)))

  test("have to be there before a role starts", () => {
    expect(check({ username: "robot", password: "env:SHOAL_TEST_NO_SUCH" })).toMatchObject({
      failure: {
        message:
          "herd.yaml: upstreams.0.credentials.password: the environment variable that it names is not set"
      }
    })
    expect(check({ username: "robot", password: `@${secret}` })).toMatchObject({
      failure: {
        message: "herd.yaml: upstreams.0.credentials.password: the file that it names does not exist (ENOENT)"
      }
    })
  })

  test("are fine when they are, and literals are", () => {
    expect(Result.isSuccess(check({ username: "robot", password: secret }))).toBe(true)
    expect(Result.isSuccess(check({ username: "robot", password: `@${import.meta.filename}` }))).toBe(true)
    const without = Result.getOrThrow(decode({ ...withUpstream({}), upstreams: [] }))
    expect(
      Effect.runSync(Effect.result(checkSecrets(without, settings, undefined, readSecret)))
    ).toMatchObject({
      _tag: "Success"
    })
  })
})
