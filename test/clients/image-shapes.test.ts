// Images of unusual shapes pass through the registry and a swarm to every real client: without layers, with the
// maximum of layers, with the same layer twice, stored plainly or compressed in either way, with two gigabytes, with
// several platforms.

import { execFileSync } from "node:child_process"
import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { deterministicBytes } from "../support/deterministic-bytes.ts"
import { type Layer, type Layout, type LayoutImage, makeLayout, mediaTypes } from "../support/oci-layout.ts"
import { pullBlob } from "../support/registry-client.ts"
import { runProgram } from "../support/run-program.ts"
import { type ClientCluster, startClientCluster } from "./client-cluster.ts"
import { type ClientName, type Held, lacking, skopeo } from "./container-clients.ts"

const can = (client: ClientName): boolean => lacking(client) === undefined

describe.runIf(can("skopeo"))("images of unusual shapes", () => {
  let cluster: ClientCluster
  let layout: Layout
  beforeAll(async () => {
    cluster = await startClientCluster(2)
    layout = makeLayout(join(cluster.folder, "layout"))
  })
  afterAll(() => cluster?.stop())

  const tiny = (name: string, compression: "none" | "gzip" | "zstd" = "gzip"): Layer =>
    layout.addLayer(name, deterministicBytes(name, 2000), compression)

  interface Shape {
    readonly layers: () => ReadonlyArray<Layer>
    /** Clients that cannot read this shape from any registry. */
    readonly without?: ReadonlyArray<ClientName>
  }

  const layersOf = (count: number) => () =>
    Array.from({ length: count }, (_, index) => tiny(`layer-${index}`))

  const shapes: Readonly<Record<string, Shape>> = {
    "no layer": { layers: () => [] },
    // docker's own limit is 125.
    "127 layers": { layers: layersOf(127), without: ["docker", "buildah"] },
    "125 layers": { layers: layersOf(125), without: ["skopeo", "containerd", "podman", "buildah"] },
    "one layer twice": {
      layers: () => {
        const twice = tiny("twice")
        return [twice, tiny("between"), twice]
      }
    },
    gzip: { layers: () => [tiny("gzip", "gzip")] },
    uncompressed: { layers: () => [tiny("uncompressed", "none")] },
    // docker reads it since 23.0.
    zstd: { layers: () => [tiny("zstd", "zstd")], without: ["docker"] },
    mixed: {
      layers: () => [tiny("first", "zstd"), tiny("second", "none"), tiny("third", "gzip")],
      without: ["docker"]
    }
  }

  describe.each(Object.entries(shapes))("%s", (title, { layers, without = [] }) => {
    const name = title.replaceAll(" ", "-")
    let image: LayoutImage
    beforeAll(async () => {
      image = layout.addImage(layers())
      layout.tag({ [name]: image })
      await skopeo.push(layout.folder, `${cluster.up.proxy}/shape/${name}:1`, name)
    })

    const expectImage = (held: Held) => {
      expect(held.manifestDigest).toBe(image.digest)
      if (held.configDigest !== undefined) expect(held.configDigest).toBe(image.config.digest)
      if (held.layerDigests !== undefined) {
        expect(held.layerDigests).toEqual(expect.arrayContaining(image.layers.map(({ digest }) => digest)))
      }
    }
    const from = (agent: number) => `${cluster.up.agents[agent]}/shape/${name}:1`

    const pulls: Readonly<Record<ClientName, () => Promise<Held>>> = {
      skopeo: () => skopeo.pull(from(0), join(cluster.folder, `by-skopeo-${name}`)),
      docker: () => cluster.docker().pull(from(1)),
      containerd: () => cluster.containerd().pull(from(0)),
      podman: async () => (await cluster.storage("podman")).pull(from(1)),
      buildah: async () => (await cluster.storage("buildah")).pull(from(0))
    }
    for (const [client, pull] of Object.entries(pulls) as ReadonlyArray<[ClientName, () => Promise<Held>]>) {
      if (without.includes(client)) continue
      test.runIf(can(client))(`${client} pulls it`, async () => {
        expectImage(await pull())
      })
    }
  })

  test("skopeo copies a whole index of two platforms with an attestation; docker and containerd choose theirs", async () => {
    const imageFor = (architecture: string) => ({
      ...layout.addImage([tiny(`on-${architecture}`), tiny("on-both")], architecture),
      platform: { os: "linux", architecture }
    })
    const images = [imageFor("amd64"), imageFor("arm64")] as const
    // In the form of builders: an image of no platform, whose layer is a statement about another image.
    const statement = layout.addBlob(
      Buffer.from(`{"about":"${images[0].digest}"}`),
      "application/vnd.in-toto+json"
    )
    const attestation = {
      ...layout.addImage([{ ...statement, diffId: statement.digest }], "unknown"),
      platform: { os: "unknown", architecture: "unknown" },
      annotations: {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": images[0].digest
      }
    }
    const members = [...images, attestation]
    const manifests = members.map(({ mediaType, digest, size, platform }, at) => ({
      ...{ mediaType, digest, size, platform },
      ...(at === 2 ? { annotations: attestation.annotations } : {})
    }))
    const index = layout.addDocument({ ...{ schemaVersion: 2, manifests }, mediaType: mediaTypes.index })
    layout.tag({ platforms: index })
    const [first, second] = cluster.up.agents as [string, string]
    const pushed = `${cluster.up.proxy}/shape/platforms:1`
    await skopeo.copy(`oci:${layout.folder}:platforms`, `docker://${pushed}`, "--all", "--preserve-digests")
    const back = join(cluster.folder, "platforms-back")
    await skopeo.copy(`docker://${first}/shape/platforms:1`, `oci:${back}:1`, "--all", "--preserve-digests")
    const raw = await skopeo.ask("inspect", `${second}/shape/platforms:1`, "--raw")
    expect(JSON.parse(raw).manifests.map(({ digest }: { digest: string }) => digest)).toEqual(
      members.map(({ digest }) => digest)
    )
    const files = (folder: string) =>
      execFileSync("ls", [join(folder, "blobs", "sha256")])
        .toString()
        .split("\n")
    for (const { digest } of [index, ...members, ...members.flatMap(({ layers }) => layers)]) {
      expect(files(back)).toContain(digest.replace("sha256:", ""))
    }
    const architecture = process.arch === "arm64" ? "arm64" : "amd64"
    const mine = images.find(({ platform }) => platform.architecture === architecture)!
    if (can("docker")) {
      const held = await cluster.docker().pull(`${second}/shape/platforms:1`)
      expect(held).toEqual({ manifestDigest: index.digest, configDigest: mine.config.digest })
    }
    if (can("containerd")) {
      const held = await cluster.containerd().pull(`${first}/shape/platforms:1`)
      expect(held.manifestDigest).toBe(index.digest)
      expect(held.layerDigests).toContain(mine.digest)
    }
  })

  test("a docker archive becomes an image in the registry, and an image becomes an archive", async () => {
    const image = layout.addImage([tiny("archived", "none"), tiny("archived too", "none")])
    layout.tag({ archived: image })
    const there = join(cluster.folder, "there.tar")
    const back = join(cluster.folder, "back.tar")
    await skopeo.copy(`oci:${layout.folder}:archived`, `docker-archive:${there}:some/name:1`)
    await skopeo.copy(`docker-archive:${there}`, `docker://${cluster.up.proxy}/shape/archived:1`)
    await skopeo.copy(
      `docker://${cluster.up.agents[1]}/shape/archived:1`,
      `docker-archive:${back}:some/name:1`
    )
    const layersIn = (archive: string): ReadonlyArray<string> =>
      JSON.parse(execFileSync("tar", ["-xOf", archive, "manifest.json"]).toString())[0].Layers
    // A docker archive names a layer by the hash of its tar archive, so equal names mean equal content.
    expect(layersIn(back)).toEqual(layersIn(there))
    expect(layersIn(back)).toHaveLength(2)
  })

  test.runIf(lacking("image") === undefined)("umoci unpacks an image that skopeo pulled", async () => {
    const names = ["unpacked-1", "unpacked-2"] as const
    layout.tag({ unpacked: layout.addImage([tiny(names[0], "none"), tiny(names[1])]) })
    await skopeo.push(layout.folder, `${cluster.up.proxy}/shape/unpacked:1`, "unpacked")
    const pulled = join(cluster.folder, "unpacked")
    await skopeo.copy(`docker://${cluster.up.agents[0]!}/shape/unpacked:1`, `oci:${pulled}:1`)
    const bundle = join(cluster.folder, "bundle")
    await runProgram("umoci", ["unpack", "--image", `${pulled}:1`, bundle])
    for (const name of names) {
      expect(readFileSync(join(bundle, "rootfs", name))).toEqual(deterministicBytes(name, 2000))
    }
  })

  test("a layer of two gigabytes, uncompressed", async () => {
    const layer = layout.addLargeLayer("large", deterministicBytes("large", 8_000_000), 256)
    expect(layer.size).toBeGreaterThan(2_000_000_000)
    layout.tag({ large: layout.addImage([layer]) })
    await skopeo.push(layout.folder, `${cluster.up.proxy}/shape/large:1`, "large")
    // The layout's copy is not needed any more, and each copy takes two gigabytes of disk.
    rmSync(layout.folder, { recursive: true })
    expect(await pullBlob(cluster.up.agents[0]!, "shape/large", layer.digest)).toBe(layer.digest)
  })
})
