// A soak test: one or two roles at a time are killed with kill -9, at moments and for times that a seed draws, while
// images are pushed, deleted and pulled. At the end, all acknowledged content is read through an empty agent.
// SHOAL_KILL_MINUTES (3) sets the duration, SHOAL_KILL_SEED the seed.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import seedrandom from "seedrandom"
import { afterAll, beforeAll, expect, test } from "vitest"
import { startClients } from "../support/push-and-pull.ts"
import { type RoleCluster, roles, startRoles } from "../support/role-cluster.ts"

const minutes = Number(process.env.SHOAL_KILL_MINUTES ?? 3)
const seed = process.env.SHOAL_KILL_SEED ?? "1"

let folder: string
let cluster: RoleCluster

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "shoal-kills-"))
  cluster = await startRoles(folder)
})
afterAll(async () => {
  await cluster.stop()
  rmSync(folder, { recursive: true, force: true })
})

test(`${minutes} minutes of kills while clients push and pull (seed ${seed})`, async () => {
  const draw = seedrandom.alea(`kills ${seed}`)
  const below = (limit: number) => Math.floor(draw() * limit)
  const clients = startClients(cluster.proxy, cluster.agent, 3, seed)
  const until = performance.now() + minutes * 60_000
  let kills = 0
  while (performance.now() < until) {
    await clients.afterSteps(5 + below(60))
    const killed = new Set([
      roles[below(roles.length)]!,
      ...(below(3) === 0 ? [roles[below(roles.length)]!] : [])
    ])
    for (const role of killed) {
      await cluster.kill(role)
      kills++
      await clients.afterSteps(1 + below(10))
    }
    // The role that starts first may wait for the other.
    await Promise.all([...killed].map(cluster.start))
  }
  await clients.end()
  await cluster.kill("agent")
  cluster.forget("agent")
  await cluster.start("agent")
  const whole = await clients.expectAcknowledged(cluster.agent)
  process.stderr.write(
    `${kills} kills, ${clients.pushes()} pushes, ${clients.pulls()} pulls, ${whole} contents read\n`
  )
  expect(kills).toBeGreaterThan(5)
})
