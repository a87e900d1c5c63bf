// Configurations are read from YAML or JSON, and flags override them. Every problem is one line with its source, its
// path and the reason.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Duration, Effect, Result } from "effect"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { AgentConfig } from "../roles/agent/config.ts"
import { BuildIndexConfig } from "../roles/build-index/config.ts"
import { HerdConfig } from "../roles/herd/config.ts"
import { decodeConfig, type Override, readConfigFile } from "./config-file.ts"
import { parseListenAddress } from "./config-flags.ts"

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "shoal-config-"))
})
afterAll(() => rmSync(folder, { recursive: true }))

const written = (name: string, text: string): string => {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

const read = (name: string, text: string) =>
  Effect.runSync(Effect.result(readConfigFile(written(name, text))))

const failure = <A>(result: Result.Result<A, { readonly message: string }>): string => {
  if (Result.isSuccess(result)) throw new Error(`succeeded with ${JSON.stringify(result.success)}`)
  expect(result.failure.message).not.toContain("\n")
  return result.failure.message
}

const noFlags = () => undefined

const index = (keys: Record<string, unknown>, overrides: ReadonlyArray<Override> = []) =>
  Effect.runSync(Effect.result(decodeConfig(BuildIndexConfig, "index.yaml", keys, overrides, noFlags)))

describe("reading a file", () => {
  test("YAML and JSON say the same", () => {
    const keys = { data: "here", http: { port: 15004 }, log: { level: "warn" } }
    const yaml = "data: here # the folder\nhttp:\n  port: 15004\nlog: { level: warn }\n"
    expect(read("a.yaml", yaml)).toEqual(Result.succeed(keys))
    expect(read("a.json", JSON.stringify(keys, undefined, 2))).toEqual(Result.succeed(keys))
  })

  test("a secret that YAML takes for something else is not shown", () => {
    const message = failure(read("alias.yaml", "password: *hunter2"))
    expect(message).toContain("alias.yaml: not YAML")
    expect(message).not.toContain("hunter2")
  })

  test("a byte order mark before it is no part of it", () => {
    expect(read("a.json", '\uFEFF{"data": "d"}')).toEqual(Result.succeed({ data: "d" }))
    expect(read("a.yaml", "\uFEFFdata: d\n")).toEqual(Result.succeed({ data: "d" }))
  })

  test("two equal keys of JSON are refused, however they are written", () => {
    for (const text of ['{"a":1,"a":2}', '{\n\t"b": {"a": 1,\n\t\t"\\u0061": 1}\n}']) {
      expect(failure(read("twice.json", text))).toMatch(/twice\.json: not JSON: Duplicate key 'a' at /)
    }
    expect(read("once.json", '{"a":[{"b":1},{"b":1}]}')).toEqual(Result.succeed({ a: [{ b: 1 }, { b: 1 }] }))
  })

  test("an empty file has no keys", () => {
    expect(read("empty.yaml", "# nothing yet\n")).toEqual(Result.succeed({}))
  })

  test("what cannot be read or parsed is named", () => {
    expect(failure(Effect.runSync(Effect.result(readConfigFile(join(folder, "absent.yaml")))))).toMatch(
      /^cannot read .*absent\.yaml: there is no such file$/
    )
    expect(failure(read("a.json", "{"))).toMatch(/a\.json: not JSON: /)
    expect(failure(read("twice.yaml", "a: 1\na: 2\n"))).toMatch(
      /twice\.yaml: not YAML: Duplicate key 'a' at line 2/
    )
    expect(failure(read("list.yaml", "- 1\n"))).toMatch(/list\.yaml: expected keys and values, got a list/)
  })
})

describe("decoding", () => {
  test("defaults are filled in", () => {
    expect(index({ data: "here", http: { port: 1 } })).toEqual(
      Result.succeed({
        data: "here",
        http: { host: "127.0.0.1", port: 1 },
        log: { level: "info", format: "auto" },
        immutableTags: [],
        collect: { grace: Duration.days(1), retention: [] },
        upstreams: []
      })
    )
  })

  test("every unknown key and bad value is named with its path and what was there", () => {
    const message = failure(
      index({ data: "", http: { port: 70_000, prot: 1 }, log: { level: "loud" }, extra: true })
    )
    expect(message.split("; ").sort()).toEqual(
      [
        "index.yaml: extra: unknown key",
        'index.yaml: data: expected a value with a length of at least 1, got ""',
        'index.yaml: log.level: expected "trace" | "debug" | "info" | "warn" | "error" | "silent", got "loud"',
        "index.yaml: http.prot: unknown key",
        "index.yaml: http.port: expected a value between 0 and 65535, got 70000"
      ].sort()
    )
  })

  test("a key of other roles is refused with what is given here in its place", () => {
    const listen = { port: 1 }
    const keys = {
      data: "here",
      peer: listen,
      proxy: listen,
      origin: listen,
      tracker: listen,
      buildIndex: listen,
      mirrors: [{ name: "quay.io" }]
    }
    const herd = Effect.runSync(Effect.result(decodeConfig(HerdConfig, "herd.yaml", keys, [], noFlags)))
    expect(failure(herd)).toBe(
      "herd.yaml: mirrors: unknown key: a herd takes the names of its mirrors from upstreams"
    )
    expect(failure(index({ data: "here", http: listen, mirrors: [] }))).toBe(
      "index.yaml: mirrors: unknown key"
    )
  })

  test("a missing key is named with the flag that gives it", () => {
    const flagFor = (path: ReadonlyArray<PropertyKey>) => (path[0] === "http" ? "--http" : undefined)
    const decoded = Effect.runSync(
      Effect.result(decodeConfig(BuildIndexConfig, undefined, { data: "here" }, [], flagFor))
    )
    expect(failure(decoded)).toBe("http: missing (give it in a --config file or by --http)")
  })

  test("flags win over the file, and answer for what they gave", () => {
    const port = { flag: "--http", path: ["http", "port"], value: 9 }
    const decoded = index({ data: "here", http: { host: "::1", port: 1 } }, [port])
    expect(Result.getOrThrow(decoded).http).toEqual({ host: "::1", port: 9 })
    expect(failure(index({ data: "here" }, [{ ...port, value: 70_000 }]))).toBe(
      "--http: http.port: expected a value between 0 and 65535, got 70000"
    )
  })

  test("an address that is no URL is named by its place in the list", () => {
    const keys = {
      data: "d",
      peer: { port: 1 },
      registry: { port: 2 },
      trackers: ["http://a:1", "b:2"],
      buildIndexes: []
    }
    const decoded = Effect.runSync(Effect.result(decodeConfig(AgentConfig, "agent.yaml", keys, [], noFlags)))
    expect(failure(decoded)).toMatch(
      /agent\.yaml: trackers\.1: expected a string matching .* got "b:2"; agent\.yaml: buildIndexes\.0: missing/
    )
  })
})

const agentKeys = {
  data: "d",
  peer: { port: 1 },
  registry: { port: 2 },
  trackers: ["http://a:1"],
  buildIndexes: ["http://b:2"]
}
const agent = (keys: Record<string, unknown>, overrides: ReadonlyArray<Override> = []) =>
  Effect.runSync(
    Effect.result(decodeConfig(AgentConfig, "agent.yaml", { ...agentKeys, ...keys }, overrides, noFlags))
  )

describe("sizes, rates and durations", () => {
  const meant = {
    rates: { egress: 200_000_000, ingress: 300_000_000, burst: 4_194_304 },
    disk: { budget: 100_000_000_000, highWatermark: 0.9, lowWatermark: 0.8 },
    limits: {
      ...Result.getOrThrow(agent({})).limits,
      uploadRate: 1_000_000,
      manifestSize: 1_048_576,
      headerTimeout: Duration.seconds(20),
      bodyTimeout: Duration.minutes(2)
    },
    freshness: Duration.minutes(1)
  }

  test("are written with units", () => {
    const keys = {
      rates: { egress: "200MB/s", ingress: "300MB/s", burst: "4MiB" },
      disk: { budget: "100GB" },
      limits: {
        uploadRate: "1MB/s",
        manifestSize: "1 MiB",
        headerTimeout: "20 seconds",
        bodyTimeout: "PT2M"
      },
      freshness: "1 minute"
    }
    expect(Result.getOrThrow(agent(keys))).toMatchObject(meant)
  })

  test("are read as numbers under the keys that had the unit in their name", () => {
    const keys = {
      rates: { egressBytesPerSecond: 200_000_000, ingressBytesPerSecond: 300_000_000, burstBytes: 4_194_304 },
      disk: { budgetBytes: 100_000_000_000 },
      limits: {
        uploadBytesPerSecond: 1_000_000,
        manifestBytes: 1_048_576,
        headerSeconds: 20,
        bodySeconds: 120
      },
      freshness: 60
    }
    expect(Result.getOrThrow(agent(keys))).toMatchObject(meant)
    const flag = { flag: "--egress", path: ["rates", "egress"], value: "1MB/s" }
    expect(Result.getOrThrow(agent(keys, [flag])).rates).toEqual({ ...meant.rates, egress: 1_000_000 })
  })

  test("have one name at a time", () => {
    expect(
      failure(agent({ rates: { egress: 1, egressBytesPerSecond: 1 }, disk: { budgetBytes: 1, budget: 1 } }))
    ).toBe(
      "agent.yaml: rates: egress and egressBytesPerSecond are one setting: give egress alone; " +
        "agent.yaml: disk: budgetBytes and budget are one setting: give budget alone"
    )
  })

  test("that are wrong are named as they were written, with an example", () => {
    expect(failure(agent({ disk: { budgetBytes: "much" } }))).toBe(
      'agent.yaml: disk.budgetBytes: expected a size such as "100GB", or a number of bytes, at least 1 byte, got "much"'
    )
    expect(failure(agent({ rates: { egress: "1Gbit/s" } }))).toMatch(
      /^agent\.yaml: rates\.egress: expected a rate such as "200MB\/s", .* got "1Gbit\/s"$/
    )
    expect(failure(agent({}, [{ flag: "--freshness", path: ["freshness"], value: "soon" }]))).toMatch(
      /^--freshness: freshness: expected a duration such as "5 minutes", .* from 0 seconds to 1 day, got "soon"$/
    )
  })

  test("of a rule in a list are read too", () => {
    const rules = (rule: object) => index({ data: "d", http: { port: 1 }, collect: { retention: [rule] } })
    expect(
      Result.getOrThrow(rules({ images: "**", keepPulledWithin: "30 days", untaggedOlderThan: 604_800 }))
        .collect.retention
    ).toEqual([
      {
        images: "**",
        keepMatching: [],
        keepPulledWithin: Duration.days(30),
        untaggedOlderThan: Duration.weeks(1)
      }
    ])
    expect(failure(rules({ images: "**", keepPulledWithin: "long" }))).toContain(
      "index.yaml: collect.retention.0.keepPulledWithin: expected a duration"
    )
  })
})

test("a disk budget has watermarks in order, and defaults for them", () => {
  const decode = (disk: object) => agent({ disk })
  expect(Result.getOrThrow(decode({ budget: 1000 })).disk).toEqual({
    budget: 1000,
    highWatermark: 0.9,
    lowWatermark: 0.8
  })
  expect(failure(decode({ budget: 1000, highWatermark: 0.5 }))).toMatch(
    /agent\.yaml: disk: .*lowWatermark 0\.8 must be less than highWatermark 0\.5/
  )
  expect(failure(decode({ budget: 0 }))).toContain("disk.budget")
  expect(failure(decode({ budget: 1000, highWatermark: 1.5 }))).toContain("disk.highWatermark")
})

test("credentials before an @ are not shown, whatever is in them", () => {
  const keys = { http: { port: 1 }, data: "d", origins: ["http://u:hun/ter2@host", "u:hunter2@host"] }
  const message = failure(index(keys))
  expect(message).not.toMatch(/hun|ter2/)
  expect(message).toContain("...@host")
})

test("listen addresses", () => {
  expect(parseListenAddress("15000")).toEqual({ host: "127.0.0.1", port: 15000 })
  expect(parseListenAddress("0.0.0.0:80")).toEqual({ host: "0.0.0.0", port: 80 })
  expect(parseListenAddress("[::1]:80")).toEqual({ host: "::1", port: 80 })
  expect(parseListenAddress("registry.local:80")).toEqual({ host: "registry.local", port: 80 })
  for (const bad of ["", "host", "host:", "::1:80", "a b:1", "x:1234567"]) {
    expect(() => parseListenAddress(bad)).toThrow()
  }
})
