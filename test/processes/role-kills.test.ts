// Every role is a separate process, and each in turn is killed with kill -9, at a moment that a seed draws, while
// images are pushed, tags moved and deleted, and images pulled. Clients retry until they are answered; then all
// acknowledged content is read through an empty agent. SHOAL_KILL_SEED sets the seed.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import seedrandom from "seedrandom"
import { afterEach, beforeEach, expect, test } from "vitest"
import { startClients } from "../support/push-and-pull.ts"
import { type RoleCluster, roles, startRoles } from "../support/role-cluster.ts"

const seed = process.env.SHOAL_KILL_SEED ?? "1"

let folder: string
let cluster: RoleCluster

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "shoal-kills-"))
  cluster = await startRoles(folder)
})
afterEach(async () => {
  await cluster.stop()
  rmSync(folder, { recursive: true, force: true })
})

test(`each role is killed once while clients push and pull (seed ${seed})`, async () => {
  const draw = seedrandom.alea(`kills ${seed}`)
  const order = roles.map((role) => [draw(), role] as const).sort(([a], [b]) => a - b)
  const clients = startClients(cluster.proxy, cluster.agent, 2, seed)
  for (const [, role] of order) {
    await clients.afterSteps(10 + Math.floor(draw() * 40))
    await cluster.kill(role)
    // At least one client meets the gap.
    await clients.afterSteps(1 + Math.floor(draw() * 5))
    await cluster.start(role)
  }
  await clients.end()
  await cluster.kill("agent")
  cluster.forget("agent")
  await cluster.start("agent")
  const whole = await clients.expectAcknowledged(cluster.agent)
  expect(clients.pushes()).toBeGreaterThanOrEqual(2)
  expect(clients.pulls()).toBeGreaterThanOrEqual(1)
  expect(whole).toBeGreaterThan(10)
  process.stderr.write(
    `${clients.pushes()} pushes, ${clients.pulls()} pulls, ${whole} contents, ${clients.steps()} steps\n`
  )
})
