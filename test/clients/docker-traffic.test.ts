// The peculiarities of docker as a client of a registry: HEAD before GET, chunks of unknown length without
// Content-Range, mounts, abandoned uploads, and schema 2; and, with containerd, how a broken download resumes.

import { join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import type { Recorded } from "../support/recording-proxy.ts"
import { type RunningUp, startUp, stopShoal } from "../support/shoal-process.ts"
import { type ClientCluster, startClientCluster } from "./client-cluster.ts"
import { type ClientName, type Held, lacking, skopeo } from "./container-clients.ts"
import {
  aBlob,
  aManifest,
  answered,
  only,
  pushRecordedImage,
  type RecordedImage,
  uploads
} from "./recorded-traffic.ts"

const can = (client: ClientName): boolean => lacking(client) === undefined

const dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"

describe.runIf(can("skopeo") && can("docker"))("docker", () => {
  let cluster: ClientCluster
  /** A registry that has no content of the other one. */
  let empty: RunningUp
  let image: RecordedImage["image"]

  beforeAll(async () => {
    cluster = await startClientCluster(1)
    empty = await startUp(join(cluster.folder, "empty"), 0)
    ;({ image } = await pushRecordedImage(cluster))
  })
  afterAll(async () => {
    if (empty !== undefined) await stopShoal(empty)
    await cluster?.stop()
  })
  beforeEach(() => {
    cluster.push.take()
    cluster.pull.take()
  })

  const pushed = () => answered(cluster.push.take())
  const pulled = () => answered(cluster.pull.take())

  let name: string
  let firstPull: ReadonlyArray<Recorded>
  beforeAll(async () => {
    name = `${cluster.pull.address}/demo/app:1`
    cluster.pull.take()
    await cluster.docker().pull(name)
    firstPull = pulled()
  })

  const push = async (to: string) => {
    await cluster.docker().tag(name, to)
    await cluster.docker().push(to)
    return pushed()
  }

  test("resolves a tag by HEAD, then pulls by digest, without blobs that it has", async () => {
    expect(only(firstPull, "HEAD", aManifest)).toMatchObject([
      { path: "/v2/demo/app/manifests/1", status: 200 }
    ])
    expect(only(firstPull, "GET", aManifest)).toMatchObject([
      { path: `/v2/demo/app/manifests/${image.digest}` }
    ])
    expect(only(firstPull, "GET", aBlob)).toHaveLength(3)
    await cluster.docker().pull(name)
    const again = pulled()
    expect(only(again, "HEAD", aManifest)).toHaveLength(1)
    expect(only(again, "GET", aBlob)).toHaveLength(0)
  })

  test("streams chunks without Content-Range, then checks that the blob is there; its manifest is schema 2", async () => {
    const all = await push(`${cluster.push.address}/new/by-docker:1`)
    for (const put of only(all, "PUT", uploads)) {
      const digest = put.query.get("digest")!
      const after = all.slice(all.indexOf(put))
      expect(only(after, "HEAD", aBlob).filter(({ path }) => path.endsWith(digest))).toMatchObject([
        { status: 200 }
      ])
    }
    const put = only(all, "PUT", aManifest)
    expect(put).toMatchObject([{ path: "/v2/new/by-docker/manifests/1", status: 201 }])
    expect(put[0]?.headers["content-type"]).toBe(dockerManifest)
    const manifest = JSON.parse(
      await skopeo.ask("inspect", `${cluster.up.agents[0]!}/new/by-docker:1`, "--raw")
    )
    expect(manifest).toMatchObject({ mediaType: dockerManifest, config: { digest: image.config.digest } })
  })

  test("mounts blobs that it pushed to another repository", async () => {
    await push(`${cluster.push.address}/mount/from-docker:1`)
    const all = await push(`${cluster.push.address}/mount/by-docker:1`)
    const mounts = only(all, "POST", uploads).filter(({ query }) => query.has("mount"))
    expect(mounts.map(({ status }) => status)).toEqual([201, 201])
    // docker remembers no repository of the config, so it sends that again, and the manifest.
    expect(all.filter(({ sent }) => sent > 5000)).toEqual([])
  })

  test("uploads blobs that it cannot mount, and abandons the uploads that it does not need", async () => {
    await push(`${cluster.push.address}/mount/from-a:1`)
    await push(`${cluster.push.address}/mount/from-b:1`)
    // The same address, but another registry: docker remembers wrong places now.
    cluster.push.forwardTo(empty.proxy)
    const all = await push(`${cluster.push.address}/mount/to:1`)
    cluster.push.forwardTo(cluster.up.proxy)
    const mounts = only(all, "POST", uploads).filter(({ query }) => query.has("mount"))
    expect(mounts.length).toBeGreaterThan(2)
    for (const { status } of mounts) expect(status).toBe(202)
    const cancelled = only(all, "DELETE", uploads)
    expect(cancelled.length).toBeGreaterThan(0)
    for (const { status } of cancelled) expect(status).toBe(204)
    const patches = only(all, "PATCH", uploads).filter(({ sent }) => sent > 0)
    expect(patches.length).toBeGreaterThanOrEqual(2)
    for (const { headers } of patches) {
      expect(headers["transfer-encoding"]).toBe("chunked")
      expect(headers["content-range"]).toBeUndefined()
    }
    expect(all.at(-1)).toMatchObject({ method: "PUT", path: "/v2/mount/to/manifests/1", status: 201 })
  })

  test("pushes a manifest list of its images", async () => {
    const member = `${cluster.push.address}/list/app:amd64`
    const list = `${cluster.push.address}/list/app:all`
    await push(member)
    await cluster.docker().call("manifest", "create", "--insecure", list, member)
    await cluster.docker().call("manifest", "push", "--insecure", "--purge", list)
    const put = only(pushed(), "PUT", /\/manifests\/all$/)
    expect(put).toMatchObject([{ status: 201 }])
    expect(put[0]?.headers["content-type"]).toBe("application/vnd.docker.distribution.manifest.list.v2+json")
    const { configDigest } = await cluster.docker().pull(`${cluster.pull.address}/list/app:all`)
    expect(configDigest).toBe(image.config.digest)
  })

  describe("a broken download", () => {
    const broken = async (pull: () => Promise<Held>) => {
      const { digest, size } = image.layers[0]
      const path = `/v2/demo/app/blobs/${digest}`
      cluster.pull.cutOnce(path, 100_000)
      const held = await pull()
      expect(held.manifestDigest).toBe(image.digest)
      const [first, second, ...more] = only(pulled(), "GET", aBlob).filter((one) => one.path === path)
      expect(more).toEqual([])
      expect(first!.headers.range).toBeUndefined()
      const from = Number(/^bytes=(\d+)-$/.exec(second!.headers.range ?? "")?.[1])
      expect(from).toBeGreaterThan(0)
      expect(second).toMatchObject({ status: 206, received: size - from })
      expect(second!.answered["content-range"]).toBe(`bytes ${from}-${size - 1}/${size}`)
    }

    test.runIf(can("docker"))("is resumed by docker where it broke", async () => {
      const docker = await cluster.dockerWith([])
      await broken(() => docker.pull(`${cluster.pull.address}/demo/app:1`))
    })

    test.runIf(can("containerd"))("is resumed by containerd where it broke", async () => {
      await broken(() => cluster.containerd().pull(`${cluster.pull.address}/demo/app:1`))
      await cluster.containerd().forget()
    })
  })
})
