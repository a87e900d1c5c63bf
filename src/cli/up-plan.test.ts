// The schemas of the roles accept the plan of `shoal up`. No port is used twice, and the default ports are Kraken's.

import { Schema } from "effect"
import { expect, test } from "vitest"
import { AgentConfig } from "../roles/agent/config.ts"
import { HerdConfig } from "../roles/herd/config.ts"
import { describeUp, mostAgents, planUp } from "./up-plan.ts"

const defaults = { agents: 2, data: "/data", portBase: 15_000, logLevel: "info" }

test("the default ports are those of Kraken's devcluster", () => {
  const ports = planUp(defaults).flatMap((planned) => planned.ports.map(({ use, port }) => `${use} ${port}`))
  expect(ports).toEqual([
    "proxy 15000",
    "origin peers 15001",
    "origin 15002",
    "tracker 15003",
    "build-index 15004",
    "agent 1 16000",
    "agent 1 peers 16001",
    "agent 2 17000",
    "agent 2 peers 17001"
  ])
})

test("every configuration is what the role's schema accepts, with nothing to spare", () => {
  for (const { role, config } of planUp({ ...defaults, agents: 50, register: true })) {
    const schema = role === "herd" ? HerdConfig : AgentConfig
    expect(() => Schema.decodeUnknownSync(schema)(config, { onExcessProperty: "error" })).not.toThrow()
  }
})

test("agents know the herd's tracker and build-index, wherever the base is", () => {
  const [, agent] = planUp({ ...defaults, portBase: 25_000 })
  expect(agent?.config).toMatchObject({
    trackers: ["http://127.0.0.1:25003"],
    buildIndexes: ["http://127.0.0.1:25004"]
  })
})

test("the most agents fit below 65536, one more does not; no port, folder or file is used twice", () => {
  for (const portBase of [1, 15_000, 60_000, 65_531]) {
    const agents = mostAgents(portBase)
    const plan = planUp({ ...defaults, portBase, agents })
    const ports = plan.flatMap((planned) => planned.ports.map(({ port }) => port))
    expect(Math.max(...ports)).toBeLessThanOrEqual(65_535)
    expect(portBase + 1000 * (agents + 1) + 1).toBeGreaterThan(65_535)
    expect(new Set(ports).size).toBe(ports.length)
    expect(new Set(plan.map(({ config }) => config.data)).size).toBe(plan.length)
    expect(new Set(plan.flatMap(({ configFile, logFile }) => [configFile, logFile])).size).toBe(
      2 * plan.length
    )
  }
})

test("everything may listen on an IPv6 address, and is told as such", () => {
  const options = { ...defaults, host: "::1" }
  const plan = planUp(options)
  for (const { role, config, ports, readiness } of plan) {
    const schema = role === "herd" ? HerdConfig : AgentConfig
    expect(() => Schema.decodeUnknownSync(schema)(config, { onExcessProperty: "error" })).not.toThrow()
    expect(ports.every(({ host }) => host === "::1")).toBe(true)
    expect(readiness.every((url) => url.startsWith("http://[::1]:"))).toBe(true)
  }
  expect(plan[1]?.config).toMatchObject({ registry: { host: "::1" }, trackers: ["http://[::1]:15003"] })
  const text = describeUp(options, plan).join("\n")
  expect(text).toContain("[::1]:16000")
  expect(text).toContain("docker://[::1]:15000/demo/app:1")
  expect(text).toContain("docker pull localhost:16000/demo/app:1")
  const everywhere = { ...defaults, host: "::" }
  expect(planUp(everywhere)[1]?.config).toMatchObject({ trackers: ["http://[::1]:15003"] })
  const elsewhere = { ...defaults, host: "fd00::5" }
  expect(describeUp(elsewhere, planUp(elsewhere)).join("\n")).toContain(
    "docker pull [fd00::5]:16000/demo/app:1"
  )
})

test("what is printed names the folder, every port and commands that use them", () => {
  const text = describeUp(defaults, planUp(defaults)).join("\n")
  expect(text).toContain("/data")
  for (const port of [15_000, 15_001, 15_002, 15_003, 15_004, 16_000, 17_000])
    expect(text).toContain(`127.0.0.1:${port}`)
  expect(text).toContain(
    "skopeo copy --dest-tls-verify=false oci:IMAGE:TAG docker://127.0.0.1:15000/demo/app:1"
  )
  expect(text).toContain("docker pull localhost:16000/demo/app:1")
})
