// The image that real clients push and pull: a busybox tree that can run, and generated incompressible files, in five
// layers of about 100 MB, one of them over 64 MB, as an OCI layout made by umoci.

import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { deterministicBytes, sha256 } from "../support/deterministic-bytes.ts"
import { runProgram } from "../support/run-program.ts"

const MB = 1_000_000

/** Names and sizes of the generated files, one per layer. */
const files = [
  { name: "weights", bytes: 70 * MB },
  { name: "library", bytes: 20 * MB },
  { name: "assets", bytes: 8 * MB }
] as const

export interface RealImage {
  /** The OCI layout. Its only tag is "1". */
  readonly layout: string
  readonly manifestDigest: string
  readonly configDigest: string
  /** Compressed layers, in order. */
  readonly layers: ReadonlyArray<{ readonly digest: string; readonly size: number }>
  /** The path of a file inside the image, and its digest. */
  readonly file: { readonly path: string; readonly digest: string }
}

/** The fields of a manifest, OCI's or docker's, that the tests read. */
export interface Manifest {
  readonly config: { readonly digest: string }
  readonly layers: RealImage["layers"]
}

/** The first manifest of an OCI layout's index. */
const layoutManifest = (layout: string): { readonly digest: string; readonly manifest: Manifest } => {
  const index = JSON.parse(readFileSync(join(layout, "index.json"), "utf8"))
  const digest: string = index.manifests[0].digest
  return { digest, manifest: JSON.parse(readFileSync(blobPath(layout, digest), "utf8")) }
}

/** The path of a blob in an OCI layout. */
const blobPath = (layout: string, digest: string): string => join(layout, "blobs", ...digest.split(":"))

/** Builds the image in `folder`, which must exist. */
export const buildRealImage = async (folder: string): Promise<RealImage> => {
  const layout = join(folder, "image")
  const bin = join(folder, "bin")
  mkdirSync(bin)
  copyFileSync("/bin/busybox", join(bin, "busybox"))
  chmodSync(join(bin, "busybox"), 0o755)
  for (const applet of ["sh", "cat", "ls", "sha256sum"]) symlinkSync("busybox", join(bin, applet))
  const etc = join(folder, "etc")
  mkdirSync(etc)
  writeFileSync(join(etc, "motd"), "pulled through a swarm\n")
  for (const { name, bytes } of files) writeFileSync(join(folder, name), deterministicBytes(name, bytes))

  const image = ["--image", `${layout}:1`]
  await runProgram("umoci", ["init", "--layout", layout])
  await runProgram("umoci", ["new", ...image])
  await runProgram("umoci", ["insert", ...image, bin, "/bin"])
  await runProgram("umoci", ["insert", ...image, etc, "/etc"])
  for (const { name } of files) {
    await runProgram("umoci", ["insert", ...image, join(folder, name), `/srv/${name}`])
  }
  await runProgram("umoci", ["config", ...image, "--config.cmd", "/bin/sh"])

  const { digest, manifest } = layoutManifest(layout)
  return {
    layout,
    manifestDigest: digest,
    configDigest: manifest.config.digest,
    layers: manifest.layers,
    file: { path: "/srv/weights", digest: sha256(deterministicBytes("weights", files[0].bytes)) }
  }
}
