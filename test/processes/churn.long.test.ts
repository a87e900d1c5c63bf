// A soak test: agents of a running swarm are killed with kill -9 and restarted while images are pushed and pulled,
// round after round. Pulled images are whole, and nothing grows without bound. SHOAL_SOAK_ROUNDS sets the number of
// rounds (20).

import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, expect, test } from "vitest"
import { deterministicBytes } from "../support/deterministic-bytes.ts"
import { freePortBase } from "../support/free-ports.ts"
import { pullBlob, pushImage } from "../support/registry-client.ts"
import { type ShoalProcess, startShoal, stopShoal, untilReady } from "../support/shoal-process.ts"

const rounds = Number(process.env.SHOAL_SOAK_ROUNDS ?? 20)
const agentCount = 4

let folder: string
let base: number
let herd: ShoalProcess
const agents: Array<ShoalProcess> = []

const registry = (index: number) => base + 1000 * (index + 1)

const startAgent = (index: number): ShoalProcess =>
  startShoal([
    "agent",
    ...["--data", join(folder, `agent-${index}`), "--log", "error"],
    ...["--registry", `${registry(index)}`, "--peer", `${registry(index) + 1}`],
    ...["--tracker", `http://127.0.0.1:${base + 3}`, "--build-index", `http://127.0.0.1:${base + 4}`],
    ...["--ingress", "40000000", "--burst", "1000000"]
  ])

const residentKilobytes = (pid: number): number =>
  Number(/VmRSS:\s+([0-9]+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1])

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "shoal-churn-"))
  base = await freePortBase(agentCount)
  herd = startShoal([
    "herd",
    ...["--data", join(folder, "herd"), "--log", "error"],
    ...["--proxy", `${base}`, "--peer", `${base + 1}`, "--origin-http", `${base + 2}`],
    ...["--tracker", `${base + 3}`, "--build-index", `${base + 4}`]
  ])
  await untilReady(herd, `127.0.0.1:${base}`)
  for (let index = 0; index < agentCount; index++) agents.push(startAgent(index))
  await Promise.all(agents.map((agent, index) => untilReady(agent, `127.0.0.1:${registry(index)}`)))
})

afterAll(async () => {
  await Promise.all([herd, ...agents].map(stopShoal))
  rmSync(folder, { recursive: true, force: true })
})

test(`${rounds} rounds of pulls with an agent killed in each`, async () => {
  const herdMemory: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    const layers = [30_000_000, 5_000_000].map((length, index) =>
      deterministicBytes(`${round}/${index}`, length)
    )
    const image = await pushImage(`127.0.0.1:${base}`, "soak/app", `${round}`, layers)
    const pull = (index: number) =>
      Promise.all(image.layers.map((layer) => pullBlob(`127.0.0.1:${registry(index)}`, "soak/app", layer)))
    const pulls = agents.map((_, index) => pull(index).catch((error: unknown) => error))
    const victim = round % agentCount
    await sleep(100 + 40 * (round % 10))
    agents[victim]!.child.kill("SIGKILL")
    await agents[victim]!.ended
    agents[victim] = startAgent(victim)
    await untilReady(agents[victim]!, `127.0.0.1:${registry(victim)}`)
    const outcomes = await Promise.all(pulls)
    for (const [index, outcome] of outcomes.entries()) {
      if (index !== victim) expect(outcome, `round ${round}, agent ${index}`).toEqual(image.layers)
    }
    expect(await pull(victim), `round ${round}, the agent that was killed`).toEqual(image.layers)
    herdMemory.push(residentKilobytes(herd.pid))
  }
  process.stderr.write(
    `the herd's memory by round, MB: ${herdMemory.map((kB) => Math.round(kB / 1000)).join(" ")}\n`
  )
  expect(herdMemory.at(-1)).toBeLessThan(1_500_000)
})
