// Shows that `shoal up` starts what it promises, refuses what cannot work in one line, and never leaves a process
// behind: not after Ctrl-C, not when a child dies, not when it is killed itself.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterEach, beforeEach, expect, test } from "vitest"
import { deterministicBytes } from "../support/deterministic-bytes.ts"
import { freePortBase, isFree, portsOf } from "../support/free-ports.ts"
import { pullBlob, pushImage } from "../support/registry-client.ts"
import { runToEnd } from "../support/run-program.ts"
import { launcher, processesNaming, type RunningUp, startUp, stopShoal } from "../support/shoal-process.ts"

let folder: string
let up: RunningUp | undefined
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shoal-up-"))
})
afterEach(async () => {
  if (up !== undefined) await stopShoal(up)
  up = undefined
  rmSync(folder, { recursive: true, force: true })
})

const shoal = (...args: ReadonlyArray<string>) =>
  runToEnd(process.execPath, [launcher, ...args], { within: 20_000 })

const refused = async (...args: ReadonlyArray<string>) => {
  const { code, stdout, stderr } = await shoal(...args)
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
  expect(stderr.split("\n")).toHaveLength(2)
  expect(processesNaming(folder)).toEqual([])
  return stderr
}

const untilNoneNames = async (text: string, within: number) => {
  const deadline = performance.now() + within
  while (processesNaming(text).length > 0 && performance.now() < deadline) await sleep(50)
  expect(processesNaming(text)).toEqual([])
}

test("everything listens, what was pushed is pulled, Ctrl-C ends all of it within seconds", async () => {
  up = await startUp(join(folder, "data"), 2)
  expect(up.stdout().trimEnd().split("\n").at(-1)).toBe("shoal is ready")
  expect(up.stdout()).toContain(join(folder, "data"))
  for (const port of portsOf(up.portBase, 2)) {
    expect(up.stdout()).toContain(`127.0.0.1:${port}`)
    expect(await isFree(port)).toBe(false)
  }
  for (const host of [up.proxy, ...up.agents, up.tracker, up.buildIndex]) {
    for (const path of ["health", "readiness", "metrics"]) {
      expect((await fetch(`http://${host}/${path}`)).status, `${host}/${path}`).toBe(200)
    }
  }
  const image = await pushImage(up.proxy, "demo/app", "1", [deterministicBytes("layer", 3_000_000)])
  for (const agent of up.agents) {
    expect(await pullBlob(agent, "demo/app", image.layers[0]!)).toBe(image.layers[0])
  }

  expect(processesNaming(folder).length).toBeGreaterThanOrEqual(4)
  const milliseconds = await stopShoal(up)
  expect(await up.ended).toEqual({ code: 0, signal: null })
  expect(up.stderr()).toBe("")
  expect(milliseconds).toBeLessThan(5000)
  expect(processesNaming(folder)).toEqual([])
  for (const port of portsOf(up.portBase, 2)) expect(await isFree(port)).toBe(true)
})

test("everything may listen on IPv6, on ports of one's own, with repositories of many components", async () => {
  up = await startUp(join(folder, "data"), 2, "--host", "::1")
  expect(up.stdout()).toContain(`docker://[::1]:${up.portBase}/demo/app:1`)
  const repository = `${"a/".repeat(126)}a`
  for (const name of [repository, "a/b-c/d__e/f.g/blobs/manifests/uploads"]) {
    const image = await pushImage(up.proxy, name, "1", [deterministicBytes(name, 2_000_000)])
    for (const agent of up.agents) {
      expect(agent).toMatch(/^\[::1\]:/)
      const manifest = await fetch(`http://${agent}/v2/${name}/manifests/1`)
      expect(manifest.headers.get("docker-content-digest")).toBe(image.manifestDigest)
      expect(await pullBlob(agent, name, image.layers[0]!)).toBe(image.layers[0])
    }
  }
  // The bytes came from peers, over connections between IPv6 addresses.
  const metrics = await (await fetch(`http://${up.agents[1]}/metrics`)).text()
  expect(metrics).toMatch(/shoal_/)
})

test("started again on the same folder, it still has what was pushed", async () => {
  up = await startUp(join(folder, "data"), 1)
  const image = await pushImage(up.proxy, "demo/app", "1", [deterministicBytes("layer", 1_000_000)])
  await stopShoal(up)
  up = await startUp(join(folder, "data"), 1)
  const manifest = await fetch(`http://${up.agents[0]}/v2/demo/app/manifests/1`)
  expect(manifest.headers.get("docker-content-digest")).toBe(image.manifestDigest)
  expect(await pullBlob(up.agents[0]!, "demo/app", image.layers[0]!)).toBe(image.layers[0])
})

test("a taken port: one line that names it", async () => {
  const base = await freePortBase(2)
  const server = createServer()
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: base + 1000 }, resolve))
  const said = await refused("up", "--data", join(folder, "data"), "--port-base", String(base))
  server.close()
  expect(said).toBe(
    `shoal: port ${base + 1000} of 127.0.0.1 (agent 1) is taken; stop what listens there, or shift all ports with ` +
      "--port-base PORT\n"
  )
})

test("a folder that cannot be written: one line that names it", async () => {
  writeFileSync(join(folder, "file"), "")
  const said = await refused(
    "up",
    "--data",
    join(folder, "file", "data"),
    "--port-base",
    String(await freePortBase(2))
  )
  expect(said).toMatch(
    /^shoal: cannot write the folder .*file\/data: ENOTDIR.*; name another with --data DIR\n$/
  )
})

test("a folder that another `shoal up` uses: one line that names it", async () => {
  up = await startUp(join(folder, "data"), 0)
  const other = await freePortBase(0)
  const { code, stderr } = await shoal("up", "--data", join(folder, "data"), "--port-base", String(other))
  expect(code).toBe(1)
  expect(stderr).toMatch(/^shoal: the folder .* is in use by another "shoal up"; .*\n$/)
})

test("too many agents, a base that is no port, flags that are unknown", async () => {
  expect(await refused("up", "--agents", "51")).toBe(
    "shoal: --agents 51: expected 0 to 50, as many as --port-base leaves ports for\n"
  )
  expect(await refused("up", "--port-base", "65532")).toMatch(
    /^shoal: --port-base 65532: expected 1 to 65531\n$/
  )
  const unknown = await shoal("up", "--agnets", "3")
  expect(unknown).toMatchObject({ code: 2, stdout: "" })
  expect(unknown.stderr).toMatch(/^shoal: Unrecognized flag: --agnets .*--agents.*"shoal up --help".*\n$/)
})

test("when a child dies, it says which and why, and ends the rest", async () => {
  up = await startUp(join(folder, "data"), 2)
  const [agent] = processesNaming(join(folder, "data", "config", "agent-2.json"))
  process.kill(agent!, "SIGKILL")
  expect(await up.ended).toEqual({ code: 1, signal: null })
  expect(up.stderr()).toMatch(/^shoal: agent-2 ended \(signal SIGKILL\).*\(log: .*agent-2\.log\)\n$/)
  expect(processesNaming(folder)).toEqual([])
})

test("when it is killed itself, its children end by themselves", async () => {
  up = await startUp(join(folder, "data"), 2)
  expect(processesNaming(join(folder, "data", "config"))).toHaveLength(3)
  up.child.kill("SIGKILL")
  await up.ended
  await untilNoneNames(folder, 5000)
  up = undefined
})

test("the logs are in the folder, one JSON object a line", async () => {
  up = await startUp(join(folder, "data"), 1)
  for (const name of ["herd", "agent-1"]) {
    const lines = readFileSync(join(folder, "data", "logs", `${name}.log`), "utf8")
      .trimEnd()
      .split("\n")
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ msg: expect.any(String) })
  }
})
