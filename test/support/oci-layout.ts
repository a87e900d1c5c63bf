// Makes images of any shape for tests without a tool: layers are tar archives of one generated file each, stored
// plainly or compressed, in an OCI image layout that every client reads.

import { createHash } from "node:crypto"
import { closeSync, mkdirSync, openSync, renameSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { gzipSync, zstdCompressSync } from "node:zlib"
import { Effect, Stream } from "effect"
import { Tar } from "effect/encoding"
import { sha256 } from "./deterministic-bytes.ts"

export const mediaTypes = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json"
} as const

type Compression = "none" | "gzip" | "zstd"

const layerTypes: Readonly<Record<Compression, string>> = {
  none: "application/vnd.oci.image.layer.v1.tar",
  gzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  zstd: "application/vnd.oci.image.layer.v1.tar+zstd"
}

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

export interface Layer extends Descriptor {
  /** The digest of the tar archive itself. */
  readonly diffId: string
}

export interface LayoutImage<Layers extends ReadonlyArray<Layer> = ReadonlyArray<Layer>> extends Descriptor {
  readonly config: Descriptor
  readonly layers: Layers
}

/** A tar archive of one file that repeats `content`, part by part. */
const archive = (name: string, content: Uint8Array, times: number): Stream.Stream<Uint8Array, Tar.TarError> =>
  Stream.succeed(
    Tar.fileStream(
      name,
      content.length * times,
      Stream.map(Stream.range(1, times), () => content)
    )
  ).pipe(Stream.pipeThroughChannel(Tar.encode()))

export interface Layout {
  readonly folder: string
  readonly addBlob: (bytes: Uint8Array, mediaType: string) => Descriptor
  readonly addLayer: (name: string, content: Uint8Array, compression: Compression) => Layer
  /** An uncompressed layer of a file that repeats `content`. Only one repetition is in memory at any time. */
  readonly addLargeLayer: (name: string, content: Uint8Array, times: number) => Layer
  /** An image of these layers, for a platform. */
  readonly addImage: <const Layers extends ReadonlyArray<Layer>>(
    layers: Layers,
    architecture?: string
  ) => LayoutImage<Layers>
  readonly addDocument: (document: { readonly mediaType: string }) => Descriptor
  /** Writes index.json, with the image of each tag of the layout. */
  readonly tag: (tags: Readonly<Record<string, Descriptor>>) => void
}

/** A new layout in a folder that does not exist. */
export const makeLayout = (folder: string): Layout => {
  const blobs = join(folder, "blobs", "sha256")
  mkdirSync(blobs, { recursive: true })
  writeFileSync(join(folder, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }))
  const place = (digest: string) => join(blobs, digest.replace("sha256:", ""))

  const addBlob = (bytes: Uint8Array, mediaType: string): Descriptor => {
    const digest = sha256(bytes)
    writeFileSync(place(digest), bytes)
    return { mediaType, digest, size: bytes.length }
  }

  const addDocument = (document: { readonly mediaType: string }) =>
    addBlob(Buffer.from(JSON.stringify(document)), document.mediaType)

  return {
    folder,
    addBlob,
    addDocument,
    addLayer: (name, content, compression) => {
      const tar = Buffer.concat(Effect.runSync(Stream.runCollect(archive(name, content, 1))))
      const stored =
        compression === "gzip" ? gzipSync(tar) : compression === "zstd" ? zstdCompressSync(tar) : tar
      return { ...addBlob(stored, layerTypes[compression]), diffId: sha256(tar) }
    },
    addLargeLayer: (name, content, times) => {
      const unnamed = join(folder, "unnamed")
      const file = openSync(unnamed, "w")
      const hash = createHash("sha256")
      let size = 0
      const write = (bytes: Uint8Array) => {
        writeSync(file, bytes)
        hash.update(bytes)
        size += bytes.length
      }
      Effect.runSync(
        Stream.runForEach(archive(name, content, times), (bytes) => Effect.sync(() => write(bytes)))
      )
      closeSync(file)
      const digest = `sha256:${hash.digest("hex")}`
      renameSync(unnamed, place(digest))
      return { mediaType: layerTypes.none, digest, size, diffId: digest }
    },
    addImage: (layers, architecture = "amd64") => {
      const rootfs = { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) }
      const history = layers.map(({ digest }) => ({ created_by: `a test made ${digest}` }))
      const config = addBlob(
        Buffer.from(
          JSON.stringify({ architecture, os: "linux", config: { Cmd: ["/none"] }, rootfs, history })
        ),
        mediaTypes.config
      )
      const document = {
        schemaVersion: 2,
        mediaType: mediaTypes.manifest,
        config,
        layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size }))
      }
      return { ...addDocument(document), config, layers }
    },
    tag: (tags) => {
      const manifests = Object.entries(tags).map(([name, { mediaType, digest, size }]) => ({
        mediaType,
        digest,
        size,
        annotations: { "org.opencontainers.image.ref.name": name }
      }))
      writeFileSync(join(folder, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }))
    }
  }
}
