// Real container clients push to and pull from a herd and four agents, started as a person starts them, and the
// layers travel through the swarm. Clients that are not installed are skipped, and one printed line names them.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { sumOf } from "../../testing/roles/metrics.ts"
import { sha256 } from "../support/deterministic-bytes.ts"
import { metricsOf } from "../support/prometheus.ts"
import { logsOf, type RunningUp, startUp, stopShoal } from "../support/shoal-process.ts"
import {
  type ClientName,
  containerd,
  containersStorage,
  docker,
  type Held,
  lacking,
  skopeo
} from "./container-clients.ts"
import { type Daemon, startContainerd, startDockerd } from "./daemons.ts"
import { buildRealImage, type RealImage } from "./real-image.ts"

const clients: ReadonlyArray<ClientName> = ["skopeo", "podman", "buildah", "docker", "containerd"]
const reasons = ([...clients, "image"] as const).flatMap((client) => {
  const reason = lacking(client)
  return reason === undefined ? [] : [`${client} (${reason})`]
})
const required = process.env.SHOAL_REQUIRE_CLIENTS === "1"
const can = (client: ClientName): boolean => lacking("image") === undefined && lacking(client) === undefined

test("skipped clients are named", () => {
  if (reasons.length === 0) return
  process.stderr.write(`real clients skipped: ${reasons.join(", ")}\n`)
  expect(required, `SHOAL_REQUIRE_CLIENTS=1, but these are missing: ${reasons.join(", ")}`).toBe(false)
})

describe.runIf(can("skopeo"))("a herd and four agents", () => {
  let folder: string
  let image: RealImage
  let up: RunningUp
  let dockerd: Daemon | undefined
  let containerdDaemon: Daemon | undefined

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "shoal-clients-"))
    const [built, running, dockerDaemon, contentDaemon] = await Promise.all([
      buildRealImage(folder),
      startUp(join(folder, "shoal"), 4),
      can("docker") ? startDockerd(join(folder, "dockerd")) : undefined,
      can("containerd") ? startContainerd(join(folder, "containerd")) : undefined
    ])
    image = built
    up = running
    dockerd = dockerDaemon
    containerdDaemon = contentDaemon
  })

  afterAll(async () => {
    await Promise.all([up && stopShoal(up), dockerd?.stop(), containerdDaemon?.stop()])
    rmSync(folder, { recursive: true, force: true })
  })

  afterEach(({ task }) => {
    if (task.result?.state === "fail") process.stderr.write(`${logsOf(up.data)}\n${up.stderr()}\n`)
  })

  /** The manifest that a host serves under a tag, with its digest computed here. */
  const servedDigest = async (host: string, repository: string, tag: string): Promise<string> => {
    const accept =
      "application/vnd.oci.image.manifest.v1+json,application/vnd.docker.distribution.manifest.v2+json"
    const response = await fetch(`http://${host}/v2/${repository}/manifests/${tag}`, { headers: { accept } })
    const bytes = new Uint8Array(await response.arrayBuffer())
    expect(response.status, new TextDecoder().decode(bytes)).toBe(200)
    expect(response.headers.get("docker-content-digest")).toBe(sha256(bytes))
    return sha256(bytes)
  }

  const expectImage = (held: Held) => {
    expect(held.manifestDigest).toBe(image.manifestDigest)
    if (held.configDigest !== undefined) expect(held.configDigest).toBe(image.configDigest)
    if (held.layerDigests !== undefined) {
      expect(held.layerDigests).toEqual(expect.arrayContaining(image.layers.map(({ digest }) => digest)))
    }
  }

  test("skopeo pushes about 100 MB in five layers, one over 64 MB; the proxy serves the same manifest", async () => {
    expect(image.layers.length).toBe(5)
    expect(image.layers.some(({ size }) => size > 64 * 1024 * 1024)).toBe(true)
    expect(image.layers.reduce((sum, { size }) => sum + size, 0)).toBeGreaterThan(95_000_000)
    await skopeo.push(image.layout, `${up.proxy}/demo/app:1`)
    for (const agent of up.agents)
      expect(await servedDigest(agent, "demo/app", "1")).toBe(image.manifestDigest)
  })

  test("four clients pull from four agents at once; every digest is the same", async () => {
    const [first, second, third, fourth] = up.agents as [string, string, string, string]
    const layoutPull = (agent: string, name: string) => () =>
      skopeo.pull(`${agent}/demo/app:1`, join(folder, name))
    const pulls = [
      layoutPull(first, "by-skopeo"),
      can("podman")
        ? async () => (await containersStorage(join(folder, "podman"), "podman")).pull(`${second}/demo/app:1`)
        : layoutPull(second, "instead-of-podman"),
      dockerd === undefined
        ? layoutPull(third, "instead-of-docker")
        : () => docker(dockerd!).pull(`${third}/demo/app:1`),
      containerdDaemon === undefined
        ? layoutPull(fourth, "instead-of-containerd")
        : () => containerd(containerdDaemon!).pull(`${fourth}/demo/app:1`)
    ]
    const held = await Promise.all(pulls.map((pull) => pull()))
    expect(held).toHaveLength(4)
    for (const each of held) expectImage(each)
  })

  test("the layers come from the origin and from other agents, and every byte of a piece is counted", async () => {
    const metrics = await Promise.all(up.agents.map(metricsOf))
    const received = (source: string) =>
      metrics.map((text) => sumOf(text, "shoal_piece_bytes_received_total", { source }))
    const total = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value, 0)
    const size = image.layers.reduce((sum, layer) => sum + layer.size, 0)
    process.stderr.write(`bytes from agents ${received("agent")}, from the origin ${received("origin")}\n`)
    expect(total(received("agent"))).toBeGreaterThan(0)
    expect(total(received("origin"))).toBeGreaterThan(0)
    for (const index of up.agents.keys()) {
      expect(received("agent")[index]! + received("origin")[index]!).toBeGreaterThanOrEqual(size)
    }
  })

  test.runIf(can("buildah"))("buildah pulls an image that an agent already holds", async () => {
    const buildah = await containersStorage(join(folder, "buildah"), "buildah")
    expectImage(await buildah.pull(`${up.agents[1]}/demo/app:1`))
  })

  test.runIf(can("docker"))("dockerd runs a container from the pulled image", async () => {
    const name = `${up.agents[2]}/demo/app:1`
    const printed = await docker(dockerd!).run(name, "/bin/sha256sum", image.file.path)
    expect(`sha256:${printed.split(" ")[0]}`).toBe(image.file.digest)
    expect(await docker(dockerd!).run(name, "/bin/cat", "/etc/motd")).toBe("pulled through a swarm\n")
  })

  /** Pulls an image that a client pushed with skopeo from an agent, which hashes all of it. */
  const pulledBack = async (agent: number, repository: string) => {
    const held = await skopeo.pull(
      `${up.agents[agent]}/${repository}:1`,
      join(folder, repository.replace("/", "-"))
    )
    expect(held.manifestDigest).toBe(await servedDigest(up.agents[agent]!, repository, "1"))
    expect(held.layerDigests).toHaveLength(image.layers.length)
    return held
  }

  test.runIf(can("docker"))("docker pushes; the image is the same", async () => {
    const name = `${up.proxy}/demo/by-docker:1`
    await docker(dockerd!).tag(`${up.agents[2]}/demo/app:1`, name)
    await docker(dockerd!).push(name)
    const held = await pulledBack(0, "demo/by-docker")
    // docker writes a manifest of its own type; the content that it names stays the same.
    expect(held.configDigest).toBe(image.configDigest)
  })

  test.runIf(can("podman"))("podman pushes; the image is the same", async () => {
    const podman = await containersStorage(join(folder, "podman-push"), "podman")
    await podman.pull(`${up.agents[1]}/demo/app:1`)
    await podman.push(`${up.agents[1]}/demo/app:1`, `${up.proxy}/demo/by-podman:1`)
    const held = await pulledBack(1, "demo/by-podman")
    expect(held.configDigest).toBe(image.configDigest)
  })

  test.runIf(can("containerd"))("containerd pushes; the manifest is the same", async () => {
    const name = `${up.proxy}/demo/by-containerd:1`
    await containerd(containerdDaemon!).tag(`${up.agents[3]}/demo/app:1`, name)
    await containerd(containerdDaemon!).push(name)
    expectImage(await pulledBack(2, "demo/by-containerd"))
  })

  test("an absent tag is an error of the client, not a hang", async () => {
    await expect(skopeo.pull(`${up.agents[0]!}/demo/app:absent`, join(folder, "absent"))).rejects.toThrow(
      /manifest unknown|not found/i
    )
  })
})
