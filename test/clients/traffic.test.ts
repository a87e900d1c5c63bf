// Shows what real clients say to a registry where they are peculiar, and that it is answered as they need it: recorded by
// a proxy in between, so that what this registry promises rests on what clients do and not on what is told of them.

import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { deterministicBytes } from "../support/deterministic-bytes.ts"
import { type LayoutImage, makeLayout } from "../support/oci-layout.ts"
import { type Recorded, type RecordingProxy, startRecordingProxy } from "../support/recording-proxy.ts"
import { type RunningUp, startUp, stopShoal } from "../support/shoal-process.ts"
import { type ClientCluster, startClientCluster } from "./client-cluster.ts"
import { type ClientName, lacking, skopeo } from "./container-clients.ts"

const can = (client: ClientName): boolean => lacking(client) === undefined

const dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"

describe.runIf(can("skopeo"))("what clients send", () => {
  let cluster: ClientCluster
  /** A registry that has nothing of what the other one has. */
  let empty: RunningUp
  /** In front of it: to clients that remember where they saw a blob, an address that they never spoke to. */
  const strange: Array<RecordingProxy> = []
  let image: LayoutImage
  let layout: string

  beforeAll(async () => {
    cluster = await startClientCluster(1)
    empty = await startUp(join(cluster.folder, "empty"), 0)
    const made = makeLayout(join(cluster.folder, "layout"))
    const layer = (name: string) => made.addLayer(name, deterministicBytes(name, 200_000), "gzip")
    image = made.addImage([layer("one"), layer("two")])
    made.tag({ "1": image })
    layout = made.folder
    await skopeo.push(layout, `${cluster.up.proxy}/demo/app:1`)
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

  const uploads = /\/blobs\/uploads\//
  const aBlob = /\/blobs\/sha256:/
  const aManifest = /\/manifests\//

  const only = (all: ReadonlyArray<Recorded>, method: string, path: RegExp) =>
    all.filter((one) => one.method === method && path.test(one.path))

  /** Every request was answered, and none with a failure of the registry. */
  const answered = (all: ReadonlyArray<Recorded>): ReadonlyArray<Recorded> => {
    expect(all.length).toBeGreaterThan(0)
    for (const { method, path, status } of all) {
      expect(status, `${method} ${path}`).toBeGreaterThan(0)
      expect(status, `${method} ${path}`).toBeLessThan(500)
    }
    return all
  }
  const pushed = () => answered(cluster.push.take())
  const pulled = () => answered(cluster.pull.take())

  /** Chunks without a Content-Range, each telling in its answer how far the upload is. */
  const expectStreamed = (all: ReadonlyArray<Recorded>, blobs: number) => {
    const patches = only(all, "PATCH", uploads)
    expect(patches).toHaveLength(blobs)
    for (const patch of patches) {
      expect(patch.headers["content-range"]).toBeUndefined()
      expect(patch.status).toBe(202)
      expect(patch.answered.range).toBe(`0-${patch.sent - 1}`)
    }
    const puts = only(all, "PUT", uploads)
    expect(puts).toHaveLength(blobs)
    for (const put of puts) {
      expect(put.sent).toBe(0)
      expect(put.query.get("digest")).toMatch(/^sha256:/)
      expect(put.status).toBe(201)
    }
  }

  test("skopeo asks for a blob, begins an upload, streams it without Content-Range, ends it with an empty PUT; the manifest comes last", async () => {
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

  test("skopeo pushes nothing twice: what the repository has is only asked for", async () => {
    await skopeo.push(layout, `${cluster.up.proxy}/known/app:1`)
    await skopeo.push(layout, `${cluster.push.address}/known/app:2`)
    const all = pushed()
    expect(all.filter(({ sent }) => sent > 0).map(({ path }) => path)).toEqual(["/v2/known/app/manifests/2"])
    expect(only(all, "HEAD", aBlob).every(({ status }) => status === 200)).toBe(true)
  })

  test("skopeo mounts what it knows to be in another repository", async () => {
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
    // But for the config, which it remembers no repository of, only the manifest was sent.
    expect(all.filter(({ sent }) => sent > 5000)).toEqual([])
  })

  test("skopeo takes a manifest by its tag at once, and needs no HEAD", async () => {
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

  test.runIf(can("podman"))("podman compresses while it sends: chunks of unknown length", async () => {
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
      const manifest = JSON.parse(await skopeo.ask("inspect", `${cluster.up.agents[0]}/${name}`, "--raw"))
      expect(manifest.layers[0].mediaType).toBe("application/vnd.oci.image.layer.v1.tar+zstd")
      if (!can("podman")) return
      const podman = await cluster.storage("podman")
      const held = await podman.pull(`${cluster.pull.address}/${name}`)
      expect(held.configDigest).toBe(manifest.config.digest)
    }
  )

  describe.runIf(can("docker"))("docker", () => {
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

    test("asks by HEAD what a tag names, then takes it by digest, and not again what it has", async () => {
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

    test("streams chunks without Content-Range, then asks whether the blob is there; its manifest is schema 2", async () => {
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
      expect(put[0]!.headers["content-type"]).toBe(dockerManifest)
      const manifest = JSON.parse(
        await skopeo.ask("inspect", `${cluster.up.agents[0]}/new/by-docker:1`, "--raw")
      )
      expect(manifest).toMatchObject({ mediaType: dockerManifest, config: { digest: image.config.digest } })
    })

    test("mounts what it pushed to another repository", async () => {
      await push(`${cluster.push.address}/mount/from-docker:1`)
      const all = await push(`${cluster.push.address}/mount/by-docker:1`)
      const mounts = only(all, "POST", uploads).filter(({ query }) => query.has("mount"))
      expect(mounts.map(({ status }) => status)).toEqual([201, 201])
      // But for the config, which it remembers no repository of, only the manifest was sent.
      expect(all.filter(({ sent }) => sent > 5000)).toEqual([])
    })

    test("what cannot be mounted it uploads, and it gives up the uploads that it does not need", async () => {
      await push(`${cluster.push.address}/mount/from-a:1`)
      await push(`${cluster.push.address}/mount/from-b:1`)
      // The same address, but another registry: what docker remembers is wrong now.
      cluster.push.leadTo(empty.proxy)
      const all = await push(`${cluster.push.address}/mount/to:1`)
      cluster.push.leadTo(cluster.up.proxy)
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

    test("pushes a manifest list of what it pushed", async () => {
      const member = `${cluster.push.address}/list/app:amd64`
      const list = `${cluster.push.address}/list/app:all`
      await push(member)
      await cluster.docker().call("manifest", "create", "--insecure", list, member)
      await cluster.docker().call("manifest", "push", "--insecure", "--purge", list)
      const put = only(pushed(), "PUT", /\/manifests\/all$/)
      expect(put).toMatchObject([{ status: 201 }])
      expect(put[0]!.headers["content-type"]).toBe(
        "application/vnd.docker.distribution.manifest.list.v2+json"
      )
      const { configDigest } = await cluster.docker().pull(`${cluster.pull.address}/list/app:all`)
      expect(configDigest).toBe(image.config.digest)
    })
  })

  test.runIf(can("containerd"))(
    "containerd with a folder of hosts: pulls by HEAD and digest, pushes each blob in one PUT",
    async () => {
      // One name for both: pulls go to the agent, the registry itself is asked when that fails, and takes pushes.
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

      cluster.push.leadTo(empty.proxy)
      await ctr.tag(`${name}/demo/app:1`, `${name}/new/by-containerd:1`)
      await ctr.push(`${name}/new/by-containerd:1`, hosts)
      cluster.push.leadTo(cluster.up.proxy)
      const sent = pushed()
      const posts = only(sent, "POST", uploads)
      // It remembers where it has them from, and tries that first.
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
