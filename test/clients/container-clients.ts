// How the tests drive each real client: the programs that it needs, how it pushes and pulls without TLS, and the
// digests that it reports afterwards. It stores everything in a folder of the test.
//
// Invariant: a client that is not on this machine is skipped, with one printed line, or fails the tests when
// SHOAL_REQUIRE_CLIENTS=1 is set.

import { accessSync, constants, mkdirSync, readFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { sha256 } from "../support/deterministic-bytes.ts"
import { runProgram, runToEnd } from "../support/run-program.ts"
import type { Daemon } from "./daemons.ts"
import type { Manifest } from "./real-image.ts"

export type ClientName = "skopeo" | "podman" | "buildah" | "docker" | "containerd"

/** Programs that each client, and the builder of the image, need. */
const programs: Readonly<Record<ClientName | "image", ReadonlyArray<string>>> = {
  image: ["umoci", "busybox", "skopeo"],
  skopeo: ["skopeo"],
  podman: ["podman"],
  buildah: ["buildah"],
  docker: ["docker", "dockerd", "runc"],
  containerd: ["containerd", "ctr"]
}

const onPath = (program: string): boolean =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })

/** The reason why a client cannot be used here; undefined when it can. */
export const lacking = (client: ClientName | "image"): string | undefined => {
  const missing = programs[client].filter((program) => !onPath(program))
  if (missing.length > 0) return `${missing.join(", ")} not installed`
  const needsRoot = client !== "skopeo" && client !== "image"
  return needsRoot && process.getuid?.() !== 0 ? "not root" : undefined
}

/** The content of a client after a pull. */
export interface Held {
  readonly manifestDigest: string
  /** Undefined when the client does not report it. */
  readonly configDigest?: string
  readonly layerDigests?: ReadonlyArray<string>
}

/** Time for a client to push or pull gigabytes on a busy machine. */
const patience = { within: 280_000 }

/**
 * skopeo copies between a registry and an OCI layout. It stores nothing except a cache of where it has seen blobs.
 */
export const skopeo = {
  /** Pushes the image of a layout under a tag. Layers go as they are stored. */
  push: (layout: string, to: string, tag = "1") =>
    runProgram(
      "skopeo",
      ["copy", "--preserve-digests", "--dest-tls-verify=false", `oci:${layout}:${tag}`, `docker://${to}`],
      patience
    ),
  /** Copies between any two places, without TLS. `more` are flags. */
  copy: (from: string, to: string, ...more: ReadonlyArray<string>) =>
    runProgram(
      "skopeo",
      ["copy", ...more, "--src-tls-verify=false", "--dest-tls-verify=false", from, to],
      patience
    ),
  /** The report of skopeo about an image or a repository. */
  ask: (verb: "inspect" | "list-tags" | "delete", of: string, ...more: ReadonlyArray<string>) =>
    runProgram("skopeo", [verb, ...more, "--tls-verify=false", `docker://${of}`]),
  /** Pulls into a new folder, with the manifest as it was served, and hashes every blob in it. */
  pull: async (from: string, folder: string): Promise<Held> => {
    await runProgram("skopeo", ["copy", "--src-tls-verify=false", `docker://${from}`, `dir:${folder}`])
    const bytes = readFileSync(join(folder, "manifest.json"))
    const manifest: Manifest = JSON.parse(bytes.toString())
    const hashed = (expected: string) => {
      const actual = sha256(readFileSync(join(folder, expected.replace("sha256:", ""))))
      if (actual !== expected) throw new Error(`${folder} holds ${actual} under the name ${expected}`)
      return actual
    }
    return {
      manifestDigest: sha256(bytes),
      configDigest: hashed(manifest.config.digest),
      layerDigests: manifest.layers.map((layer) => hashed(layer.digest))
    }
  }
}

/** podman and buildah share their storage. Each test has its own. */
export const containersStorage = async (folder: string, program: "podman" | "buildah") => {
  mkdirSync(folder)
  const place = ["--root", join(folder, "root"), "--runroot", join(folder, "run")]
  const overlay = ["--storage-driver", "overlay"]
  const usable = (await runToEnd(program, [...place, ...overlay, "images"])).code === 0
  // Overlay does not work on every file system (on another overlay, for instance); copies always do.
  const storage = [...place, ...(usable ? overlay : ["--storage-driver", "vfs"])]
  const call = (...args: ReadonlyArray<string>) => runProgram(program, [...storage, ...args], patience)
  return {
    call,
    /** The flags that name this storage. */
    place: storage,
    push: (image: string, to: string, ...more: ReadonlyArray<string>) =>
      call("push", ...more, "--tls-verify=false", image, `docker://${to}`),
    tag: (image: string, name: string) => call("tag", image, name),
    pull: async (from: string): Promise<Held> => {
      await call("pull", "--tls-verify=false", from)
      const listed = program === "podman" ? ["images", "--format", "json"] : ["images", "--json"]
      const [image] = JSON.parse(await call(...listed, "--no-trunc", from))
      return {
        manifestDigest: image.digest ?? image.Digest,
        configDigest: `sha256:${String(image.id ?? image.Id).replace("sha256:", "")}`
      }
    }
  }
}

/** docker, which pulls through its daemon. */
export const docker = ({ address }: Daemon) => {
  const call = (...args: ReadonlyArray<string>) => runProgram("docker", ["-H", address, ...args], patience)
  return {
    call,
    tag: (image: string, name: string) => call("tag", image, name),
    push: (name: string) => call("push", name),
    pull: async (from: string): Promise<Held> => {
      await call("pull", from)
      const [image] = JSON.parse(await call("image", "inspect", from))
      return { manifestDigest: image.RepoDigests[0].split("@")[1], configDigest: image.Id }
    },
    remove: (image: string) => call("image", "rm", image),
    /** Runs a command in a container without a network. Returns its output. */
    run: (image: string, ...command: ReadonlyArray<string>) =>
      call("run", "--rm", "--network", "none", image, ...command)
  }
}

/** containerd with its own client. Its content store names every blob that it has checked. */
export const containerd = ({ address }: Daemon) => {
  const call = (...args: ReadonlyArray<string>) => runProgram("ctr", ["-a", address, ...args], patience)
  /** How registries are found: by a folder of hosts files, or else under their own names, without TLS. */
  const found = (hosts: string | undefined) =>
    hosts === undefined ? ["--plain-http"] : ["--hosts-dir", hosts]
  return {
    call,
    tag: (image: string, name: string) => call("images", "tag", image, name),
    push: (name: string, hosts?: string) => call("images", "push", ...found(hosts), name),
    pull: async (from: string, hosts?: string): Promise<Held> => {
      await call("images", "pull", ...found(hosts), from)
      const line = (await call("images", "ls")).split("\n").find((text) => text.startsWith(`${from} `))
      const content = (await call("content", "ls", "-q")).trim().split("\n")
      return { manifestDigest: line?.split(/\s+/)[2] ?? "absent", layerDigests: content }
    },
    /** Removes every image, with its content. */
    forget: async () => {
      const names = (await call("images", "ls", "-q")).trim().split("\n")
      await call("images", "rm", "--sync", ...names)
    }
  }
}
