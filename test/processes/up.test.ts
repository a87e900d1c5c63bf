// `shoal up` starts all of its processes, refuses in one line what cannot work, and never leaves a process behind:
// not after Ctrl-C, not when a child dies, not when it is killed itself.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { isFree } from "../../experiments/real-bench/reserved-ports.ts"
import { sumOf } from "../../testing/roles/metrics.ts"
import { deterministicBytes } from "../support/deterministic-bytes.ts"
import { freePortBase, portsOf } from "../support/free-ports.ts"
import { metricsOf } from "../support/prometheus.ts"
import { type PushedImage, pullBlob, pushImage } from "../support/registry-client.ts"
import { runToEnd } from "../support/run-program.ts"
import { launcher, processesNaming, type RunningUp, startUp, stopShoal } from "../support/shoal-process.ts"

let folder: string
let up: RunningUp | undefined
const freshFolder = () => {
  folder = mkdtempSync(join(tmpdir(), "shoal-up-"))
}
const cleanUp = async () => {
  if (up !== undefined) await stopShoal(up)
  up = undefined
  rmSync(folder, { recursive: true, force: true })
}

const shoal = (...args: ReadonlyArray<string>) => runToEnd(process.execPath, [launcher, ...args])

const refused = async (...args: ReadonlyArray<string>) => {
  const { code, stdout, stderr } = await shoal(...args)
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
  expect(stderr.split("\n")).toHaveLength(2)
  expect(processesNaming(folder)).toEqual([])
  return stderr
}

const untilNoneNames = async (text: string) => {
  while (processesNaming(text).length > 0) await sleep(50)
}

describe("a cluster", () => {
  // Started once for the tests that leave it running. The others start it again.
  let image: PushedImage<[Uint8Array]>
  beforeAll(async () => {
    freshFolder()
    up = await startUp(join(folder, "data"), 2)
    image = await pushImage(up.proxy, "demo/app", "1", [deterministicBytes("layer", 3_000_000)])
  })
  afterAll(cleanUp)

  test("prints where everything listens, and a pushed image can be pulled there", async () => {
    const { portBase, proxy, agents, tracker, buildIndex, stdout } = up!
    expect(stdout().trimEnd().split("\n").at(-1)).toBe("shoal is ready")
    expect(stdout()).toContain(join(folder, "data"))
    for (const port of portsOf(portBase, 2)) {
      expect(stdout()).toContain(`127.0.0.1:${port}`)
      expect(await isFree(port)).toBe(false)
    }
    for (const host of [proxy, ...agents, tracker, buildIndex]) {
      for (const path of ["health", "readiness", "metrics"]) {
        expect((await fetch(`http://${host}/${path}`)).status, `${host}/${path}`).toBe(200)
      }
    }
    for (const agent of agents) {
      expect(await pullBlob(agent, "demo/app", image.layers[0])).toBe(image.layers[0])
    }
  })

  test("writes logs into the folder, one JSON object per line", () => {
    for (const name of ["herd", "agent-1", "agent-2"]) {
      const lines = readFileSync(join(folder, "data", "logs", `${name}.log`), "utf8")
        .trimEnd()
        .split("\n")
      for (const line of lines) expect(JSON.parse(line)).toMatchObject({ msg: expect.any(String) })
    }
  })

  test("keeps its folder for itself: another `shoal up` says so in one line", async () => {
    const other = await freePortBase(0)
    const written = () => readFileSync(join(folder, "data", "config", "herd.json"), "utf8")
    const before = written()
    const { code, stderr } = await shoal("up", "--data", join(folder, "data"), "--port-base", String(other))
    expect(code).toBe(1)
    expect(written(), "the running cluster keeps its configuration").toBe(before)
    expect(stderr).toMatch(/^shoal: the folder .* is in use by another "shoal up"; .*\n$/)
  })

  test("ends all of its processes on Ctrl-C; after a restart, it still has the pushed image", async () => {
    const first = up!
    expect(processesNaming(folder).length).toBeGreaterThanOrEqual(4)
    await stopShoal(first)
    expect(await first.ended).toEqual({ code: 0, signal: null })
    // A child that does not stop is killed after a while, and named here (src/cli/child-process.ts).
    expect(first.stderr()).toBe("")
    expect(processesNaming(folder)).toEqual([])
    for (const port of portsOf(first.portBase, 2)) expect(await isFree(port)).toBe(true)

    up = await startUp(join(folder, "data"), 2)
    for (const agent of up.agents) {
      const manifest = await fetch(`http://${agent}/v2/demo/app/manifests/1`)
      expect(manifest.headers.get("docker-content-digest")).toBe(image.manifestDigest)
      expect(await pullBlob(agent, "demo/app", image.layers[0])).toBe(image.layers[0])
    }
  })

  test("names a child that died and the reason, and ends the rest", async () => {
    const [agent] = processesNaming(join(folder, "data", "config", "agent-2.json"))
    process.kill(agent!, "SIGKILL")
    expect(await up!.ended).toEqual({ code: 1, signal: null })
    expect(up!.stderr()).toMatch(
      /^shoal: agent-2 ended \(signal SIGKILL\) \(log: .*agent-2\.log\); everything is stopped\n$/
    )
    expect(processesNaming(folder)).toEqual([])
  })
})

describe("shoal up", () => {
  beforeEach(freshFolder)
  afterEach(cleanUp)

  test("everything may listen on IPv6, on chosen ports, with repositories of many components", async () => {
    up = await startUp(join(folder, "data"), 2, "--host", "::1")
    expect(up.stdout()).toContain(`docker://[::1]:${up.portBase}/demo/app:1`)
    const repository = `${"a/".repeat(126)}a`
    for (const name of [repository, "a/b-c/d__e/f.g/blobs/manifests/uploads"]) {
      const image = await pushImage(up.proxy, name, "1", [deterministicBytes(name, 2_000_000)])
      for (const agent of up.agents) {
        expect(agent).toMatch(/^\[::1\]:/)
        const manifest = await fetch(`http://${agent}/v2/${name}/manifests/1`)
        expect(manifest.headers.get("docker-content-digest")).toBe(image.manifestDigest)
        expect(await pullBlob(agent, name, image.layers[0])).toBe(image.layers[0])
      }
    }
    // The bytes came from peers, over connections between IPv6 addresses.
    for (const agent of up.agents) {
      const received = sumOf(await metricsOf(agent), "shoal_piece_bytes_received_total", {})
      expect(received).toBeGreaterThanOrEqual(4_000_000)
    }
  })

  test("a port in use is named in one line", async () => {
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

  test("an unwritable folder is named in one line", async () => {
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

  test("too many agents, a base that is no port and unknown flags are refused", async () => {
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

  test("its children end by themselves when it is killed", async () => {
    up = await startUp(join(folder, "data"), 1)
    expect(processesNaming(join(folder, "data", "config"))).toHaveLength(2)
    up.child.kill("SIGKILL")
    await up.ended
    await untilNoneNames(folder)
    up = undefined
  })
})
