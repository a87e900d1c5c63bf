// The configuration files of docs/operations.md work as the page says: each runtime pulls one name through its agent,
// falls back to the proxy when the agent is down, and pushes to the proxy.

import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { deterministicBytes } from "../support/deterministic-bytes.ts"
import { type LayoutImage, makeLayout } from "../support/oci-layout.ts"
import { type Addresses, fileShown, operationsFile } from "../support/operations-page.ts"
import type { Recorded } from "../support/recording-proxy.ts"
import { runProgram } from "../support/run-program.ts"
import { type ClientCluster, startClientCluster } from "./client-cluster.ts"
import { type ClientName, lacking, skopeo } from "./container-clients.ts"

const can = (client: ClientName): boolean => lacking(client) === undefined

describe.runIf(can("skopeo"))("runtimes configured for an agent as the page says", () => {
  let cluster: ClientCluster
  let addresses: Addresses
  let image: LayoutImage

  beforeAll(async () => {
    cluster = await startClientCluster(1)
    addresses = { proxy: cluster.push.address, agent: cluster.pull.address }
    const layout = makeLayout(join(cluster.folder, "layout"))
    image = layout.addImage([layout.addLayer("one", deterministicBytes("runtimes", 300_000), "gzip")])
    layout.tag({ "1": image })
    await skopeo.push(layout.folder, `${cluster.up.proxy}/demo/app:1`)
  })
  afterAll(() => cluster?.stop())
  beforeEach(() => {
    cluster.push.take()
    cluster.pull.take()
  })

  test.each([
    "/etc/containerd/certs.d/registry.example:15000/hosts.toml",
    "/etc/containers/registries.conf.d/shoal.conf"
  ])("the README shows the same %s", (file) => {
    expect(fileShown("README.md", file)).toBe(fileShown("docs/operations.md", file))
  })

  const bodies = (all: ReadonlyArray<Recorded>) =>
    all.filter(({ method, path }) => method === "GET" && path.includes("/blobs/")).map(({ path }) => path)

  const imageBodies = () =>
    [image.config, ...image.layers].map(({ digest }) => `/v2/demo/app/blobs/${digest}`).sort()

  /** All of the image came through the agent, and nothing from the proxy. */
  const expectFromAgent = () => {
    expect(bodies(cluster.push.take())).toEqual([])
    expect(bodies(cluster.pull.take()).sort()).toEqual(imageBodies())
  }

  /** Runs `work` while nothing listens at the agent's address. */
  const withoutAgent = async (work: () => Promise<void>) => {
    cluster.pull.forwardTo("127.0.0.1:1")
    try {
      await work()
    } finally {
      cluster.pull.forwardTo(cluster.up.agents[0]!)
    }
    expect(bodies(cluster.push.take()).sort()).toEqual(imageBodies())
  }

  test.runIf(can("containerd"))("containerd", async () => {
    const hosts = join(cluster.folder, "certs.d")
    const folder = join(hosts, addresses.proxy)
    mkdirSync(folder, { recursive: true })
    const file = "/etc/containerd/certs.d/registry.example:15000/hosts.toml"
    writeFileSync(join(folder, "hosts.toml"), operationsFile(file, addresses))
    const ctr = cluster.containerd()
    const name = `${addresses.proxy}/demo/app:1`
    expect((await ctr.pull(name, hosts)).manifestDigest).toBe(image.digest)
    expectFromAgent()

    await ctr.forget()
    await withoutAgent(async () => {
      expect((await ctr.pull(name, hosts)).manifestDigest).toBe(image.digest)
    })

    await ctr.tag(name, `${addresses.proxy}/demo/app:by-containerd`)
    await ctr.push(`${addresses.proxy}/demo/app:by-containerd`, hosts)
    const sent = cluster.push.take()
    expect(sent.at(-1)).toMatchObject({
      method: "PUT",
      path: "/v2/demo/app/manifests/by-containerd",
      status: 201
    })
  })

  test.runIf(can("podman"))(
    "podman, which shares the library and the file with buildah, skopeo and CRI-O",
    async () => {
      const file = join(cluster.folder, "registries.conf")
      writeFileSync(file, operationsFile("/etc/containers/registries.conf.d/shoal.conf", addresses))
      const env = { ...process.env, CONTAINERS_REGISTRIES_CONF: file }
      const storage = async () => [...(await cluster.storage("podman")).place]
      const place = await storage()
      const podman = (...args: ReadonlyArray<string>) => runProgram("podman", [...place, ...args], { env })
      const name = `${addresses.proxy}/demo/app:1`
      await podman("pull", name)
      expectFromAgent()

      await podman("push", name, `${addresses.proxy}/demo/app:by-podman`)
      const sent = cluster.push.take()
      expect(sent.at(-1)).toMatchObject({
        method: "PUT",
        path: "/v2/demo/app/manifests/by-podman",
        status: 201
      })
      expect(cluster.pull.take()).toEqual([])

      await podman("rmi", "--all")
      await withoutAgent(async () => {
        await podman("pull", name)
      })
    }
  )

  test.runIf(can("docker"))("docker", async () => {
    const file = join(cluster.folder, "daemon.json")
    writeFileSync(file, operationsFile("/etc/docker/daemon.json", addresses))
    const docker = await cluster.dockerWith(["--config-file", file])
    const known = JSON.parse(await docker.call("info", "--format", "{{json .RegistryConfig.IndexConfigs}}"))
    expect(known[addresses.proxy]).toMatchObject({ Secure: false })
    const local = addresses.agent.replace("127.0.0.1", "localhost")
    expect((await docker.pull(`${local}/demo/app:1`)).manifestDigest).toBe(image.digest)
    expectFromAgent()
    await docker.tag(`${local}/demo/app:1`, `${addresses.proxy}/demo/app:by-docker`)
    await docker.push(`${addresses.proxy}/demo/app:by-docker`)
    const sent = cluster.push.take()
    expect(sent.at(-1)).toMatchObject({
      method: "PUT",
      path: "/v2/demo/app/manifests/by-docker",
      status: 201
    })
  })
})
