// Tests of the plan of a cluster in network namespaces: every link is shaped at both ends, addresses are distinct, and
// what it makes can be found by its name.

import { describe, expect, it } from "vitest"
import { agentConfig } from "../roles/agent/config.ts"
import { herdConfig } from "../roles/herd/config.ts"
import {
  type LinkShape,
  type NetworkRequest,
  namePrefix,
  planNamespaces,
  planProcesses,
  settingPattern
} from "./namespace-plan.ts"

const shape: LinkShape = { shaper: "tbf", rate: 2_500_000, burst: 16_384, queue: 131_072, delay: 0 }
const request: NetworkRequest = { id: 7, agents: 3, shape, congestion: "cubic", settings: [] }

const linesOf = (given: Partial<NetworkRequest>) =>
  planNamespaces({ ...request, ...given }).calls.map(({ program, args }) => [program, ...args].join(" "))

describe("the namespaces", () => {
  it("are one for each host and one for the switch, all with the prefix and the id", () => {
    const { hosts, switchNamespace } = planNamespaces(request)
    expect(hosts.map(({ name }) => name)).toEqual(["herd", "agent-1", "agent-2", "agent-3"])
    const names = [switchNamespace, ...hosts.map(({ namespace }) => namespace)]
    for (const name of names) expect(name.startsWith(`${namePrefix}7-`)).toBe(true)
    expect(linesOf({}).filter((line) => line.startsWith("ip netns add"))).toEqual(
      expect.arrayContaining(names.map((name) => `ip netns add ${name}`))
    )
    expect(new Set(hosts.map(({ address }) => address)).size).toBe(4)
    expect(new Set(hosts.map(({ control }) => control)).size).toBe(4)
  })

  it("shape the uplink of a host where it leaves it, and the downlink where it leaves the switch", () => {
    const shaped = linesOf({}).filter((line) => line.startsWith("tc"))
    const tbf = "root handle 1: tbf rate 20000000bit burst 16384 limit 131072"
    expect(shaped.slice(0, 2)).toEqual([
      `tc -n ${namePrefix}7-herd qdisc add dev peers0 ${tbf}`,
      `tc -n ${namePrefix}7-switch qdisc add dev port0 ${tbf}`
    ])
    expect(shaped).toHaveLength(8)
  })

  it("delay packets on the way up only, and hold as many as the delay needs", () => {
    const delayed = linesOf({ shape: { ...shape, shaper: "htb", delay: 5000 } })
    expect(delayed.filter((line) => line.includes("netem"))).toHaveLength(4)
    expect(delayed.filter((line) => line.includes("bfifo limit 131072"))).toHaveLength(4)
  })

  it("take further settings for every host, of a form that is checked", () => {
    const setting = "net.ipv4.tcp_notsent_lowat=16384"
    expect(linesOf({ settings: [setting] }).filter((line) => line.endsWith(setting))).toHaveLength(4)
    expect(settingPattern.test(setting)).toBe(true)
    expect(settingPattern.test("net.ipv4.tcp_wmem=4096 16384 65536")).toBe(true)
    for (const wrong of ["kernel.panic=1", "net.ipv4.x", "net.ipv4.x=$(id)"]) {
      expect(settingPattern.test(wrong), wrong).toBe(false)
    }
  })
})

describe("the processes", () => {
  it("have valid configurations, with peers on the shaped link", () => {
    const plan = planNamespaces(request)
    const [herd, ...agents] = planProcesses({ plan, data: "/data" })
    expect(herdConfig(herd!.config as never).peer).toMatchObject({ host: "198.18.0.1" })
    expect(agents).toHaveLength(3)
    for (const { config, host } of agents) {
      const parsed = agentConfig(config as never)
      expect(parsed.peer).toMatchObject({ host: host.address })
      expect(parsed.trackers).toEqual(["http://198.18.0.1:5003"])
      expect(parsed.rates.egress).toBeUndefined()
    }
    expect(agents[0]!.registry).toBe("http://198.19.1.2:5000")
  })

  it("have the product's own limits when they are given", () => {
    const rates = { egress: 1000, ingress: 1000, burst: 100 }
    const [, agent] = planProcesses({ plan: planNamespaces(request), data: "/data", rates })
    expect(agentConfig(agent!.config as never).rates).toEqual(rates)
  })
})
