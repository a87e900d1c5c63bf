// podman pulls zstd:chunked layers in part through an agent: the table of contents with one range, then the missing
// chunks with several ranges at once. It pulls only the file in which a new version differs. Each chunk is
// verified by its hash, so a wrong byte would fail the pull.

import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { deterministicBytes } from "../support/deterministic-bytes.ts"
import type { Recorded } from "../support/recording-proxy.ts"
import { runProgram } from "../support/run-program.ts"
import { type ClientCluster, startClientCluster } from "./client-cluster.ts"
import { lacking, skopeo } from "./container-clients.ts"

const here = (["skopeo", "podman", "buildah"] as const).every((client) => lacking(client) === undefined)

const fileBytes = 300_000
const files = 20

describe.runIf(here)("podman with partial images", () => {
  let cluster: ClientCluster
  let context: string
  beforeAll(async () => {
    cluster = await startClientCluster(1)
    context = join(cluster.folder, "context")
    mkdirSync(join(context, "files"), { recursive: true })
    writeFileSync(join(context, "Containerfile"), "FROM scratch\nCOPY files /files\n")
    for (let index = 0; index < files; index++) write(index, `version one of ${index}`)
  })
  afterAll(() => cluster?.stop())

  const write = (index: number, seed: string) =>
    writeFileSync(join(context, "files", `file-${index}`), deterministicBytes(seed, fileBytes))

  /** A storage whose podman fetches only the missing parts of a layer. */
  const storage = (name: string) => {
    const root = join(cluster.folder, name)
    const file = `${root}.conf`
    writeFileSync(
      file,
      `[storage]
driver = "overlay"
graphroot = "${root}"
runroot = "${root}r"
[storage.options]
pull_options = { enable_partial_images = "true", use_hard_links = "false", ostree_repos = "" }
`
    )
    const env = { ...process.env, CONTAINERS_STORAGE_CONF: file }
    return (program: "podman" | "buildah", ...args: ReadonlyArray<string>) =>
      runProgram(program, args, { env })
  }

  /** Builds the context, pushes it as zstd:chunked, and pulls it elsewhere. Returns the requests for its layer. */
  const pushedAndPulled = async (
    builder: ReturnType<typeof storage>,
    puller: ReturnType<typeof storage>,
    tag: string
  ) => {
    await builder("buildah", "bud", "--isolation", "chroot", "--tag", `app:${tag}`, context)
    const to = `docker://${cluster.up.proxy}/lazy/app:${tag}`
    await builder(
      "podman",
      "push",
      "--tls-verify=false",
      "--compression-format",
      "zstd:chunked",
      `localhost/app:${tag}`,
      to
    )
    const manifest = JSON.parse(await skopeo.ask("inspect", `${cluster.up.proxy}/lazy/app:${tag}`, "--raw"))
    cluster.pull.take()
    await puller("podman", "pull", "--tls-verify=false", `${cluster.pull.address}/lazy/app:${tag}`)
    const requests = cluster.pull.take().filter(({ path }) => path.endsWith(manifest.layers[0].digest))
    return { requests, size: manifest.layers[0].size as number }
  }

  const received = (all: ReadonlyArray<Recorded>) => all.reduce((sum, one) => sum + one.received, 0)

  test("the first version by several ranges at once, the next one by its new content", async () => {
    const [builder, puller] = [storage("b"), storage("p")]
    const first = await pushedAndPulled(builder, puller, "1")
    for (const { headers, status } of first.requests) {
      expect(headers.range).toMatch(/^bytes=/)
      expect(status).toBe(206)
    }
    const several = first.requests.filter(({ headers }) => headers.range!.includes(","))
    expect(several.length).toBeGreaterThan(0)
    for (const { answered } of several) {
      expect(answered["content-type"]).toMatch(/^multipart\/byteranges; ?boundary=/)
    }
    expect(received(first.requests)).toBeGreaterThan(files * fileBytes)

    write(7, "version two of 7")
    const second = await pushedAndPulled(builder, puller, "2")
    for (const { status } of second.requests) expect(status).toBe(206)
    // The changed file, and the table of contents.
    expect(received(second.requests)).toBeGreaterThanOrEqual(fileBytes)
    expect(received(second.requests)).toBeLessThan(2 * fileBytes)
    expect(second.size).toBeGreaterThan(files * fileBytes)
  })
})
