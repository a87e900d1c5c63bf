// The peculiarities of real clients as a registry sees them, and the answers that they need. A proxy in between
// records the traffic, so that the promises of this registry rest on what clients do and not on reports about them.

import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import type { LayoutImage } from "../support/oci-layout.ts"
import { type RecordingProxy, startRecordingProxy } from "../support/recording-proxy.ts"
import { type RunningUp, startUp, stopShoal } from "../support/shoal-process.ts"
import { type ClientCluster, startClientCluster } from "./client-cluster.ts"
import { type ClientName, lacking, skopeo } from "./container-clients.ts"
import {
  aBlob,
  aManifest,
  answered,
  expectStreamed,
  only,
  pushRecordedImage,
  uploads
} from "./recorded-traffic.ts"

const can = (client: ClientName): boolean => lacking(client) === undefined

describe.runIf(can("skopeo"))("what clients send", () => {
  let cluster: ClientCluster
  /** A registry that has no content of the other one. */
  let empty: RunningUp
  /** In front of it: new addresses, for clients that remember where they saw a blob. */
  const strange: Array<RecordingProxy> = []
  let image: LayoutImage
  let layout: string

  beforeAll(async () => {
    cluster = await startClientCluster(1)
    empty = await startUp(join(cluster.folder, "empty"), 0)
    ;({ image, layout } = await pushRecordedImage(cluster))
  })
  afterAll(async () => {
    await Promise.all(strange.map(({ close }) => close()))
    if (empty !== undefined) await stopShoal(empty)
    await cluster?.stop()
  })
  beforeEach(() => {
    cluster.push.take()
    cluster.pull.take()
  })

  /** A new address of the empty registry. */
  const neverSeen = async (): Promise<RecordingProxy> => {
    const proxy = await startRecordingProxy(empty.proxy)
    strange.push(proxy)
    return proxy
  }

  const pushed = () => answered(cluster.push.take())
  const pulled = () => answered(cluster.pull.take())

  test("skopeo checks for a blob, starts an upload, streams it without Content-Range and ends it with an empty PUT; the manifest comes last", async () => {
    const registry = await neverSeen()
    await skopeo.push(layout, `${registry.address}/new/by-skopeo:1`)
    const all = answered(registry.take())
    expectStreamed(all, 3)
    for (const post of only(all, "POST", uploads)) {
      const before = all.slice(0, all.indexOf(post))
      expect(only(before, "HEAD", aBlob).length).toBeGreaterThan(0)
      expect(post.headers["content-length"]).toBe("0")
      expect(post.status).toBe(202)
    }
    expect(all.at(-1)).toMatchObject({ method: "PUT", path: "/v2/new/by-skopeo/manifests/1", status: 201 })
  })

  test("skopeo pushes nothing twice: it only checks for blobs of the repository", async () => {
    await skopeo.push(layout, `${cluster.up.proxy}/known/app:1`)
    await skopeo.push(layout, `${cluster.push.address}/known/app:2`)
    const all = pushed()
    expect(all.filter(({ sent }) => sent > 0).map(({ path }) => path)).toEqual(["/v2/known/app/manifests/2"])
    expect(only(all, "HEAD", aBlob).every(({ status }) => status === 200)).toBe(true)
  })

  test("skopeo mounts blobs that it knows in another repository", async () => {
    await skopeo.push(layout, `${cluster.push.address}/mount/source:1`)
    pushed()
    await skopeo.push(layout, `${cluster.push.address}/mount/target:1`)
    const all = pushed()
    const mounts = only(all, "POST", uploads).filter(({ query }) => query.has("mount"))
    expect(mounts.map(({ query }) => query.get("mount")).sort()).toEqual(
      image.layers.map(({ digest }) => digest).sort()
    )
    for (const { query, status, answered: headers } of mounts) {
      expect(query.get("from")).toMatch(/^(mount|known|demo)\//)
      expect(status).toBe(201)
      expect(headers.location).toBe(`/v2/mount/target/blobs/${query.get("mount")}`)
    }
    // skopeo remembers no repository of the config, so it sends that again, and the manifest.
    expect(all.filter(({ sent }) => sent > 5000)).toEqual([])
  })

  test("skopeo gets a manifest by its tag at once, without HEAD", async () => {
    await skopeo.pull(`${cluster.pull.address}/demo/app:1`, join(cluster.folder, "traffic-skopeo"))
    const all = pulled()
    expect(only(all, "HEAD", aManifest)).toHaveLength(0)
    expect(only(all, "GET", aManifest).map(({ path }) => path)).toEqual(["/v2/demo/app/manifests/1"])
    expect(only(all, "GET", aBlob)).toHaveLength(3)
  })

  test("skopeo lists tags and inspects", async () => {
    const at = `${cluster.pull.address}/demo/app`
    expect(JSON.parse(await skopeo.ask("list-tags", at)).Tags).toContain("1")
    expect(JSON.parse(await skopeo.ask("inspect", `${at}:1`)).Digest).toBe(image.digest)
    expect(only(pulled(), "GET", /\/tags\/list$/).length).toBeGreaterThan(0)
  })

  test.runIf(can("podman"))("podman compresses while it sends, in chunks of unknown length", async () => {
    const podman = await cluster.storage("podman")
    await podman.pull(`${cluster.pull.address}/demo/app:1`)
    const registry = await neverSeen()
    await podman.push(`${cluster.pull.address}/demo/app:1`, `${registry.address}/new/by-podman:1`)
    const all = answered(registry.take())
    expectStreamed(all, 3)
    const chunked = only(all, "PATCH", uploads).filter(
      ({ headers }) => headers["transfer-encoding"] === "chunked"
    )
    expect(chunked).toHaveLength(2)
  })

  test.runIf(can("buildah"))(
    "buildah builds from nothing and pushes, layers as zstd; podman pulls it",
    async () => {
      const buildah = await cluster.storage("buildah")
      const context = join(cluster.folder, "context")
      mkdirSync(context)
      writeFileSync(join(context, "note"), "built here\n")
      writeFileSync(join(context, "Containerfile"), "FROM scratch\nCOPY note /note\n")
      await buildah.call("bud", "--isolation", "chroot", "--tag", "built", context)
      const name = "new/by-buildah:1"
      await buildah.push(
        "built",
        `${cluster.push.address}/${name}`,
        "--format",
        "oci",
        "--compression-format",
        "zstd"
      )
      expectStreamed(pushed(), 2)
      const manifest = JSON.parse(await skopeo.ask("inspect", `${cluster.up.agents[0]!}/${name}`, "--raw"))
      expect(manifest.layers[0].mediaType).toBe("application/vnd.oci.image.layer.v1.tar+zstd")
      if (!can("podman")) return
      const podman = await cluster.storage("podman")
      const held = await podman.pull(`${cluster.pull.address}/${name}`)
      expect(held.configDigest).toBe(manifest.config.digest)
    }
  )

  test.runIf(can("containerd"))(
    "containerd with a folder of hosts pulls by HEAD and digest, and pushes each blob in one PUT",
    async () => {
      // One name for both: pulls go to the agent; the registry itself serves when that fails, and accepts pushes.
      const hosts = join(cluster.folder, "certs.d")
      const name = cluster.push.address
      mkdirSync(join(hosts, name), { recursive: true })
      writeFileSync(
        join(hosts, name, "hosts.toml"),
        `server = "http://${cluster.push.address}"\n\n[host."http://${cluster.pull.address}"]\n  capabilities = ["pull", "resolve"]\n`
      )
      const ctr = cluster.containerd()
      const held = await ctr.pull(`${name}/demo/app:1`, hosts)
      expect(held.manifestDigest).toBe(image.digest)
      const all = pulled()
      expect(only(all, "HEAD", aManifest)).toMatchObject([{ path: "/v2/demo/app/manifests/1", status: 200 }])
      expect(only(all, "GET", aManifest)).toMatchObject([{ path: `/v2/demo/app/manifests/${image.digest}` }])
      expect(only(all, "GET", aBlob)).toHaveLength(3)
      for (const { query } of all) expect(query.get("ns")).toBe(name)
      expect(cluster.push.take()).toEqual([])

      cluster.push.forwardTo(empty.proxy)
      await ctr.tag(`${name}/demo/app:1`, `${name}/new/by-containerd:1`)
      await ctr.push(`${name}/new/by-containerd:1`, hosts)
      cluster.push.forwardTo(cluster.up.proxy)
      const sent = pushed()
      const posts = only(sent, "POST", uploads)
      // containerd remembers where the blobs came from, and tries that first.
      expect(posts.map(({ query }) => query.get("from"))).toEqual(["demo/app", "demo/app", "demo/app"])
      expect(only(sent, "PATCH", uploads)).toHaveLength(0)
      const puts = only(sent, "PUT", uploads)
      expect(puts).toHaveLength(3)
      for (const put of puts) {
        expect(put.sent).toBeGreaterThan(0)
        expect(put.headers["content-type"]).toBe("application/octet-stream")
        expect(put.status).toBe(201)
      }
      expect(only(sent, "PUT", aManifest)).toMatchObject([{ status: 201 }])
    }
  )
})
