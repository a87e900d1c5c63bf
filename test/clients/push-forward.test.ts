// Real container clients push to an agent that forwards: an image pushed to one host's localhost is pulled from the
// agent of another host, with the same digests. Clients that are not installed are skipped (clients.test.ts names
// them).

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { sumOf } from "../../testing/roles/metrics.ts"
import { freePortBase } from "../support/free-ports.ts"
import { metricsOf } from "../support/prometheus.ts"
import { type ShoalProcess, startShoal, stopShoal, untilReady } from "../support/shoal-process.ts"
import { type ClientName, containersStorage, docker, lacking, skopeo } from "./container-clients.ts"
import { type Daemon, startDockerd } from "./daemons.ts"
import { buildRealImage, type RealImage } from "./real-image.ts"

const can = (client: ClientName): boolean => lacking("image") === undefined && lacking(client) === undefined

describe.runIf(can("skopeo"))("a herd, an agent that forwards pushes, and another agent", () => {
  let folder: string
  let image: RealImage
  let forwards: string
  let other: string
  let proxy: string
  let processes: ReadonlyArray<ShoalProcess> = []
  let dockerd: Daemon | undefined

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "shoal-push-forward-"))
    const base = await freePortBase(2)
    const at = (port: number) => `127.0.0.1:${port}`
    const agent = (index: number, ...more: ReadonlyArray<string>) =>
      startShoal([
        "agent",
        ...["--data", join(folder, `agent-${index}`), "--log", "warn"],
        ...["--registry", at(base + 1000 * index), "--peer", at(base + 1000 * index + 1)],
        ...["--tracker", `http://${at(base + 3)}`, "--build-index", `http://${at(base + 4)}`],
        ...more
      ])
    proxy = at(base)
    forwards = at(base + 1000)
    other = at(base + 2000)
    processes = [
      startShoal([
        "herd",
        ...["--data", join(folder, "herd"), "--log", "warn"],
        ...["--proxy", proxy, "--peer", at(base + 1), "--origin-http", at(base + 2)],
        ...["--tracker", at(base + 3), "--build-index", at(base + 4)]
      ]),
      agent(1, "--push", "forward", "--proxy", `http://${proxy}`),
      agent(2)
    ]
    const [built, dockerDaemon] = await Promise.all([
      buildRealImage(folder),
      can("docker") ? startDockerd(join(folder, "dockerd")) : undefined,
      ...[proxy, forwards, other].map((host, index) => untilReady(processes[index]!, host))
    ])
    image = built
    dockerd = dockerDaemon
  })

  afterAll(async () => {
    await Promise.all([...processes.map(stopShoal), dockerd?.stop()])
    rmSync(folder, { recursive: true, force: true })
  })

  const pulledFromTheOther = (repository: string) =>
    skopeo.pull(`${other}/${repository}:1`, join(folder, repository.replace("/", "-")))

  test("skopeo pushes to the agent; the other agent serves the same image", async () => {
    await skopeo.push(image.layout, `${forwards}/demo/app:1`)
    const held = await pulledFromTheOther("demo/app")
    expect(held.manifestDigest).toBe(image.manifestDigest)
    expect(held.configDigest).toBe(image.configDigest)
    const answered = sumOf(await metricsOf(forwards), "shoal_http_requests_total", {
      method: "PATCH",
      route: "/v2/ upload",
      status: "202"
    })
    expect(answered, "every layer and the config came through the agent").toBe(image.layers.length + 1)
  })

  test.runIf(can("podman"))("podman pushes to the agent", async () => {
    const podman = await containersStorage(join(folder, "podman"), "podman")
    await podman.pull(`${forwards}/demo/app:1`)
    await podman.push(`${forwards}/demo/app:1`, `${forwards}/demo/by-podman:1`)
    expect((await pulledFromTheOther("demo/by-podman")).configDigest).toBe(image.configDigest)
  })

  test.runIf(can("docker"))("docker pushes to the agent", async () => {
    await docker(dockerd!).pull(`${forwards}/demo/app:1`)
    await docker(dockerd!).tag(`${forwards}/demo/app:1`, `${forwards}/demo/by-docker:1`)
    await docker(dockerd!).push(`${forwards}/demo/by-docker:1`)
    expect((await pulledFromTheOther("demo/by-docker")).configDigest).toBe(image.configDigest)
  })

  test("an agent that does not forward says where to push", async () => {
    await expect(skopeo.push(image.layout, `${other}/demo/refused:1`)).rejects.toThrow(
      /405|UNSUPPORTED|unsupported|push to the cluster's proxy/
    )
  })
})
