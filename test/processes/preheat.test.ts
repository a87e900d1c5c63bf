// Preheating with separate processes, as a person uses it: agents that register, `shoal preheat`, a pull that
// downloads nothing, and a killed agent that is reported as failed.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { sumOf } from "../../testing/roles/metrics.ts"
import { deterministicBytes } from "../support/deterministic-bytes.ts"
import { freePortBase } from "../support/free-ports.ts"
import { metricsOf } from "../support/prometheus.ts"
import { pullBlob, pushImage } from "../support/registry-client.ts"
import { runToEnd } from "../support/run-program.ts"
import { launcher, type ShoalProcess, startShoal, stopShoal, untilReady } from "../support/shoal-process.ts"

let folder: string
let proxy: string
let agents: ReadonlyArray<string>
let processes: ReadonlyArray<ShoalProcess> = []

const layers = [3_000_000, 700_000].map((length, index) => deterministicBytes(`preheat/${index}`, length))

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "shoal-preheat-"))
  const base = await freePortBase(2)
  const at = (port: number) => `127.0.0.1:${port}`
  proxy = at(base)
  agents = [at(base + 1000), at(base + 2000)]
  processes = [
    startShoal([
      "herd",
      ...["--data", join(folder, "herd"), "--log", "error"],
      ...["--proxy", proxy, "--peer", at(base + 1), "--origin-http", at(base + 2)],
      ...["--tracker", at(base + 3), "--build-index", at(base + 4)]
    ]),
    ...agents.map((registry, index) =>
      startShoal([
        "agent",
        ...["--data", join(folder, `agent-${index}`), "--log", "error"],
        ...["--registry", registry, "--peer", at(base + 1000 * (index + 1) + 1)],
        ...["--tracker", `http://${at(base + 3)}`, "--build-index", `http://${at(base + 4)}`],
        ...["--register", `http://${registry}`, "--zone", `rack-${index}`]
      ])
    )
  ]
  await Promise.all([proxy, ...agents].map((host, index) => untilReady(processes[index]!, host)))
}, 60_000)

afterAll(async () => {
  await Promise.all(processes.map(stopShoal))
  rmSync(folder, { recursive: true, force: true })
}, 60_000)

const preheat = (...args: ReadonlyArray<string>) =>
  runToEnd(process.execPath, [launcher, "preheat", ...args, "--proxy", `http://${proxy}`])

const receivedBytes = async (agent: string) =>
  sumOf(await metricsOf(agent), "shoal_piece_bytes_received_total", {})

/** An agent that started before its tracker registers a moment later, so this asks until both are known. */
const preheatBoth = async () => {
  for (;;) {
    const answered = await preheat("demo/app:1", "--scope", "all")
    const tooSoon = /no agent is registered/.test(answered.stderr) || /at 1 agents/.test(answered.stdout)
    if (!tooSoon) return answered
  }
}

test("shoal preheat has agents pull an image; a pull afterwards downloads nothing", async () => {
  const image = await pushImage(proxy, "demo/app", "1", layers)
  const unknown = await preheat("demo/app:2")
  expect(unknown).toMatchObject({ code: 1, stdout: "" })
  expect(unknown.stderr).toMatch(/shoal: .*: there is no tag 2 in demo\/app/)

  const answered = await preheatBoth()
  expect(answered.stderr).toBe("")
  expect(answered.code).toBe(0)
  expect(answered.stdout).toMatch(
    /^preheat \d+: demo\/app:1, 4 contents of 3\.7 MB, at 2 agents\ndone at 2 agents\n$/
  )
  for (const agent of agents) {
    const before = await receivedBytes(agent)
    expect(before).toBeGreaterThanOrEqual(3_700_000)
    for (const layer of image.layers) expect(await pullBlob(agent, "demo/app", layer)).toBe(layer)
    expect(await receivedBytes(agent)).toBe(before)
  }
}, 90_000)

test("a killed agent is reported as failed, and the command fails", async () => {
  processes[2]!.child.kill("SIGKILL")
  await processes[2]!.ended
  await pushImage(proxy, "demo/app", "3", [deterministicBytes("preheat/3", 100_000)])
  const zone = await preheat("demo/app:3", "--scope", "zone:rack-0", "--detach")
  expect(zone.stdout).toMatch(/at 1 agents\n$/)
  const all = await preheat("demo/app:3", "--scope", "all")
  expect(all.code).toBe(1)
  expect(all.stdout).toContain(`http://${agents[1]} failed: it does not answer`)
  expect(all.stderr).toMatch(/^shoal: preheat \d+ failed: 1 of 2 agents failed/)
}, 60_000)
