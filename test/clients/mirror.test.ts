// containerd, podman and docker pull an upstream's images through an agent when they are configured as the operations
// page says. Each image is fetched once from an upstream on loopback that requires tokens, is served while that
// answers 429, and is left to the client when its registry is not listed.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { planUp } from "../../src/cli/up-plan.ts"
import { deterministicBytes } from "../support/deterministic-bytes.ts"
import { freePortBase } from "../support/free-ports.ts"
import { type LayoutImage, makeLayout } from "../support/oci-layout.ts"
import { type Addresses, operationsFile } from "../support/operations-page.ts"
import { type RecordingProxy, startRecordingProxy } from "../support/recording-proxy.ts"
import { runProgram } from "../support/run-program.ts"
import { type ShoalProcess, startShoal, stopShoal, untilReady } from "../support/shoal-process.ts"
import { startUpstream, type UpstreamOnLoopback } from "../support/upstream-registry.ts"
import { type ClientName, containerd, containersStorage, docker, lacking } from "./container-clients.ts"
import { type Daemon, startContainerd, startDockerd } from "./daemons.ts"

const can = (client: ClientName): boolean => lacking(client) === undefined
const section = "## Mirroring other registries"

describe.runIf(can("containerd") || can("podman") || can("docker"))("an agent that mirrors docker.io", () => {
  let folder: string
  let upstream: UpstreamOnLoopback
  let agent: RecordingProxy
  let addresses: Addresses
  let image: LayoutImage
  let processes: ReadonlyArray<ShoalProcess> = []
  const daemons: Array<Daemon> = []

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "shoal-mirror-"))
    const layout = makeLayout(join(folder, "layout"))
    image = layout.addImage([
      layout.addLayer("one", deterministicBytes("mirrored one", 300_000), "gzip"),
      layout.addLayer("two", deterministicBytes("mirrored two", 6_000_000), "gzip")
    ])
    upstream = await startUpstream(layout.folder, await freePortBase(0))
    upstream.publish("library/app", "1", image)
    upstream.state.credentials = { username: "robot", password: "secret" }
    const passwordFile = join(folder, "password")
    writeFileSync(passwordFile, "secret\n")

    const base = await freePortBase(1)
    const name = "docker.io"
    const url = `http://${upstream.address}`
    const keys = {
      herd: {
        upstreams: [
          { name, url, freshness: 0, credentials: { username: "robot", password: `@${passwordFile}` } }
        ]
      },
      agent: { mirrors: [{ name }], defaultUpstream: name }
    }
    const plan = planUp({ agents: 1, data: join(folder, "shoal"), portBase: base, logLevel: "warn" })
    processes = plan.map(({ role, config, name: process }) => {
      const file = join(folder, `${process}.json`)
      writeFileSync(file, JSON.stringify({ ...config, ...keys[role] }))
      return startShoal([role, "--config", file])
    })
    agent = await startRecordingProxy(`127.0.0.1:${base + 1000}`)
    addresses = { proxy: `127.0.0.1:${base}`, agent: agent.address }
    await untilReady(processes[0]!, `127.0.0.1:${base}`)
    await untilReady(processes[1]!, `127.0.0.1:${base + 1000}`)
  })

  afterAll(async () => {
    await Promise.all(daemons.map((daemon) => daemon.stop()))
    await agent?.close()
    await Promise.all(processes.map(stopShoal))
    await upstream?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  beforeEach(() => {
    agent.take()
    upstream.state.failing = undefined
  })

  /**
   * Each blob left the upstream once, whichever client pulled, and only its own servers saw credentials or tokens.
   */
  const expectFetchedOnce = () => {
    const { seen } = upstream.state
    const fetched = seen.filter(({ at, method }) => at === "blobs" && method === "GET")
    const digests = fetched.flatMap(({ url }) => url.slice(url.lastIndexOf("/") + 1).split("?", 1))
    expect(digests.sort()).toEqual([image.config, ...image.layers].map(({ digest }) => digest).sort())
    expect(fetched.map(({ authorization }) => authorization)).toEqual(fetched.map(() => undefined))
    for (const { at, authorization } of seen) {
      if (at === "tokens") expect(authorization).toMatch(/^Basic /)
      if (at === "registry" && authorization !== undefined) expect(authorization).toMatch(/^Bearer token-/)
    }
  }

  const hostsFolder = (registry: string, hosts: string): string => {
    const certs = join(folder, "certs.d")
    mkdirSync(join(certs, registry), { recursive: true })
    writeFileSync(join(certs, registry, "hosts.toml"), hosts)
    return certs
  }

  const dockerIoHosts = () =>
    hostsFolder(
      "docker.io",
      operationsFile("/etc/containerd/certs.d/docker.io/hosts.toml", addresses, section).replace(
        "https://registry-1.docker.io",
        `http://${upstream.address}`
      )
    )

  const startedContainerd = async (name: string) => {
    const daemon = await startContainerd(join(folder, name))
    daemons.push(daemon)
    return containerd(daemon)
  }

  test.runIf(can("containerd"))("containerd names docker.io by ns", async () => {
    const ctr = await startedContainerd("c1")
    const held = await ctr.pull("docker.io/library/app:1", dockerIoHosts())
    expect(held.manifestDigest).toBe(image.digest)
    const seen = agent.take()
    expect(seen.length).toBeGreaterThanOrEqual(4)
    for (const { query, answered, path } of seen) {
      expect(query.get("ns"), path).toBe("docker.io")
      expect(answered["oci-namespace"], path).toBe("docker.io")
    }
    expectFetchedOnce()

    // The image is in the cluster now, so an overloaded upstream does not matter.
    await ctr.forget()
    upstream.state.failing = { status: 429, headers: { "retry-after": "1" } }
    expect((await ctr.pull("docker.io/library/app:1", dockerIoHosts())).manifestDigest).toBe(image.digest)
    expectFetchedOnce()
  })

  test.runIf(can("podman"))("podman rewrites the name", async () => {
    const file = join(folder, "registries.conf")
    writeFileSync(file, operationsFile("/etc/containers/registries.conf.d/mirrors.conf", addresses, section))
    const storage = await containersStorage(join(folder, "s"), "podman")
    const env = { ...process.env, CONTAINERS_REGISTRIES_CONF: file }
    await runProgram("podman", [...storage.place, "pull", "docker.io/library/app:1"], { env })
    const seen = agent.take()
    expect(seen.filter(({ path }) => path.startsWith("/v2/docker.io/library/app/")).length).toBeGreaterThan(3)
    expectFetchedOnce()
  })

  test.runIf(can("docker"))("docker asks its registry mirror by the bare name", async () => {
    const file = join(folder, "daemon.json")
    writeFileSync(file, operationsFile("/etc/docker/daemon.json", addresses, section))
    const daemon = await startDockerd(join(folder, "dockerd"), "--config-file", file)
    daemons.push(daemon)
    const client = docker(daemon)
    expect((await client.pull("app:1")).manifestDigest).toBe(image.digest)
    const seen = agent.take()
    expect(seen.filter(({ path }) => path.startsWith("/v2/library/app/")).length).toBeGreaterThan(2)
    expectFetchedOnce()
  })

  test.runIf(can("containerd"))("an unlisted registry is left to the client at once", async () => {
    const ctr = await startedContainerd("c2")
    upstream.state.auth = "none"
    const other = upstream.address
    const certs = hostsFolder(
      other,
      `server = "http://${other}"\n[host."http://${agent.address}"]\n  capabilities = ["pull", "resolve"]\n`
    )
    expect((await ctr.pull(`${other}/library/app:1`, certs)).manifestDigest).toBe(image.digest)
    const asked = agent.take()
    expect(asked.length).toBeGreaterThan(0)
    for (const { query, status } of asked) {
      expect(query.get("ns")).toBe(other)
      expect(status).toBe(404)
    }
    upstream.state.auth = "bearer"
  })
})
