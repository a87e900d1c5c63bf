// A role is a separate process, from a file and flags. A wrong configuration is one line, and no port is opened. A
// kill -9 in the middle of a download loses nothing that was verified.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterEach, beforeEach, expect, test } from "vitest"
import { sumOf } from "../../testing/roles/metrics.ts"
import { deterministicBytes } from "../support/deterministic-bytes.ts"
import { freePortBase } from "../support/free-ports.ts"
import { metricsOf } from "../support/prometheus.ts"
import { pullBlob, pushImage } from "../support/registry-client.ts"
import { runToEnd } from "../support/run-program.ts"
import { launcher, type ShoalProcess, startShoal, stopShoal, untilReady } from "../support/shoal-process.ts"

let folder: string
let base: number
const started: Array<ShoalProcess> = []
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "shoal-role-"))
  base = await freePortBase(2)
})
afterEach(async () => {
  await Promise.all(started.splice(0).map(stopShoal))
  rmSync(folder, { recursive: true, force: true })
})

const start = (...args: ReadonlyArray<string>): ShoalProcess => {
  const shoal = startShoal(args)
  started.push(shoal)
  return shoal
}

const refused = async (...args: ReadonlyArray<string>) => {
  const { code, stdout, stderr } = await runToEnd(process.execPath, [launcher, ...args])
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
  expect(
    stderr
      .trimEnd()
      .split("\n")
      .filter((line) => line.startsWith("shoal: "))
  ).toHaveLength(1)
  return stderr.trimEnd().split("\n").at(-1)
}

const written = (name: string, text: string) => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

const herdFlags = () => [
  "herd",
  ...["--data", join(folder, "herd"), "--log", "warn"],
  ...["--proxy", `${base}`, "--peer", `${base + 1}`, "--origin-http", `${base + 2}`],
  ...["--tracker", `${base + 3}`, "--build-index", `${base + 4}`]
]

const agentFlags = (...more: ReadonlyArray<string>) => [
  "agent",
  ...["--data", join(folder, "agent"), "--log", "warn"],
  ...["--registry", `${base + 1000}`, "--peer", `${base + 1001}`],
  ...["--tracker", `http://127.0.0.1:${base + 3}`, "--build-index", `http://127.0.0.1:${base + 4}`],
  ...more
]

test("a bad configuration names file, path and problem, and opens nothing", async () => {
  const data = join(folder, "never")
  const file = written(
    "agent.yaml",
    `data: ${data}\nregistry: { port: 99999 }\npeer: { port: 1, hots: x }\ntrackers: ["http://a:1"]\nbuildIndexes: ["http://a:2"]\n`
  )
  expect(await refused("agent", "--config", file)).toBe(
    `shoal: ${file}: peer.hots: unknown key; ${file}: registry.port: expected a value between 0 and 65535, got 99999`
  )
  expect(existsSync(data)).toBe(false)
  expect(await refused("agent", "--config", written("broken.json", "{"))).toMatch(/broken\.json: not JSON: /)
  expect(await refused("tracker", "--http", "1")).toBe(
    "shoal: origins: missing (give it in a --config file or by --origin)"
  )
})

test("an unreadable secret is told by its setting alone, and nothing is opened", async () => {
  const data = join(folder, "without-secret")
  const file = written(
    "secret.yaml",
    `data: ${data}\nhttp: { port: ${base} }\norigins: ["http://a:1"]\nupstreams:\n` +
      "  - name: docker.io\n    url: https://registry-1.docker.io\n" +
      `    credentials: { username: robot, password: "@hunter2" }\n`
  )
  expect(await refused("build-index", "--config", file)).toBe(
    `shoal: ${file}: upstreams.0.credentials.password: the file that it names does not exist (ENOENT)`
  )
  expect(existsSync(data)).toBe(false)
})

test("a port in use and an unwritable folder are one line each", async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: base + 4 }, resolve))
  const index = (data: string, port: number) => refused("build-index", "--data", data, "--http", String(port))
  expect(await index(join(folder, "index"), base + 4)).toMatch(
    new RegExp(`^shoal: .*127\\.0\\.0\\.1:${base + 4}: the port is taken`)
  )
  server.close()
  written("file", "")
  expect(await index(join(folder, "file", "index"), base + 5)).toMatch(
    /^shoal: cannot make folder .*file\/index: part of the path is a file/
  )
})

test("roles from a file, with flags over it", async () => {
  const file = written(
    "index.yaml",
    `data: ${join(folder, "index")}\nhttp: { port: 1 }\nlog: { level: error }\n`
  )
  const index = start("build-index", "--config", file, "--http", String(base))
  await untilReady(index, `127.0.0.1:${base}`)
  await stopShoal(index)
  expect(await index.ended).toEqual({ code: 0, signal: null })
  expect(index.stdout() + index.stderr()).toBe("")
})

test("an agent that is killed during a download resumes where it was", async () => {
  const herd = start(...herdFlags())
  await untilReady(herd, `127.0.0.1:${base}`)
  const bytes = deterministicBytes("killed", 24_000_000)
  const { layers } = await pushImage(`127.0.0.1:${base}`, "demo/app", "1", [bytes])
  const layer = layers[0]
  const registry = `127.0.0.1:${base + 1000}`
  const received = async () => sumOf(await metricsOf(registry), "shoal_piece_bytes_received_total", {})

  // A third of the blob comes in a burst, the rest would take minutes: the kill is in the middle on any machine.
  const first = start(...agentFlags("--ingress", "100000", "--burst", "9000000"))
  await untilReady(first, `127.0.0.1:${base + 1000}`)
  const cut = pullBlob(registry, "demo/app", layer).catch((error: unknown) => error)
  let before = 0
  while (before < bytes.length / 3) {
    before = await received()
    await sleep(20)
  }
  first.child.kill("SIGKILL")
  await first.ended
  expect(await cut).toBeInstanceOf(Error)

  const second = start(...agentFlags())
  await untilReady(second, `127.0.0.1:${base + 1000}`)
  expect(await pullBlob(registry, "demo/app", layer)).toBe(layer)
  const after = await received()
  expect(after).toBeGreaterThan(0)
  // Pieces verified before the kill are not fetched again; pieces in flight are.
  expect(after).toBeLessThanOrEqual(bytes.length - before + 20 * 262_144)
})
