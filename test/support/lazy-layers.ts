// The layers that lazy clients read: the same files once as zstd:chunked and once as eStargz, in the layout of those
// formats, and how such a client navigates what it fetched. Written from the formats' descriptions
// (containers-storage-zstd-chunked(5); the eStargz specification), not from their code.

import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib"
import { Effect, Stream } from "effect"
import { Tar } from "effect/encoding"
import { deterministicBytes, sha256 } from "./deterministic-bytes.ts"

/** A file's content in a layer: compressed bytes [offset, end) of the blob. */
export interface TocEntry {
  readonly name: string
  readonly size: number
  readonly digest: string
  readonly offset: number
  readonly endOffset: number
}

export interface LayerFile {
  readonly name: string
  readonly content: Buffer
}

/** Files as in an image of a language runtime: many small, a few large; about 50 KiB each on average. */
export const layerFiles = (count: number): ReadonlyArray<LayerFile> =>
  Array.from({ length: count }, (_, index) => {
    const size = index % 60 === 59 ? 1_500_000 : 500 + ((index * 7919) % 53_000)
    return {
      name: `usr/lib/package-${index >> 4}/file-${index}`,
      content: deterministicBytes(`file ${index}`, size)
    }
  })

/** A tar archive of one file: its header, its content, padding to whole blocks, and the two blocks at the end. */
const archiveOf = ({ name, content }: LayerFile): Buffer =>
  Buffer.concat(
    Effect.runSync(
      Stream.succeed(Tar.file(name, content)).pipe(Stream.pipeThroughChannel(Tar.encode()), Stream.runCollect)
    )
  )

const block = 512

const tarHeader = (file: LayerFile): Buffer => archiveOf(file).subarray(0, block)

const padding = (file: LayerFile): Buffer =>
  archiveOf(file).subarray(block + file.content.byteLength, -2 * block)

const lay = (
  files: ReadonlyArray<LayerFile>,
  compress: (bytes: Buffer) => Buffer
): { readonly body: Buffer; readonly entries: ReadonlyArray<TocEntry> } => {
  const parts: Buffer[] = []
  const entries: TocEntry[] = []
  let at = 0
  const append = (bytes: Buffer): number => {
    parts.push(bytes)
    at += bytes.byteLength
    return at
  }
  for (const file of files) {
    const offset = append(compress(tarHeader(file)))
    const endOffset = append(compress(file.content))
    append(compress(padding(file)))
    const { name, content } = file
    entries.push({ name, size: content.byteLength, digest: sha256(content), offset, endOffset })
  }
  return { body: Buffer.concat(parts), entries }
}

// -- zstd:chunked ---------------------------------------------------------------------------------------------------

export interface ZstdChunked {
  readonly blob: Buffer
  /** Positions of the table of contents and the tar-split from the manifest's annotations: [start, end). */
  readonly toc: readonly [number, number]
  readonly tarSplit: readonly [number, number]
}

const skippableFrame = (payload: Buffer): Buffer => {
  const header = Buffer.alloc(8)
  header.writeUInt32LE(0x184d2a50, 0)
  header.writeUInt32LE(payload.byteLength, 4)
  return Buffer.concat([header, payload])
}

export const zstdChunked = (files: ReadonlyArray<LayerFile>): ZstdChunked => {
  const { body, entries } = lay(files, (bytes) => zstdCompressSync(bytes))
  const compressed = (value: object) => zstdCompressSync(Buffer.from(JSON.stringify(value)))
  const tarSplit = compressed({ headers: files.map((file) => tarHeader(file).toString("base64")) })
  const toc = compressed({ version: 1, entries: entries.map((entry) => ({ type: "reg", ...entry })) })
  const tarSplitAt = body.byteLength + 8
  const tocAt = tarSplitAt + tarSplit.byteLength + 8
  const footer = Buffer.alloc(64)
  footer.writeBigUInt64LE(BigInt(tocAt), 0)
  footer.writeBigUInt64LE(BigInt(toc.byteLength), 8)
  footer.writeBigUInt64LE(1n, 24)
  footer.writeBigUInt64LE(BigInt(tarSplitAt), 32)
  footer.writeBigUInt64LE(BigInt(tarSplit.byteLength), 40)
  footer.write("GNUlInUx", 56)
  return {
    blob: Buffer.concat([body, skippableFrame(tarSplit), skippableFrame(toc), skippableFrame(footer)]),
    toc: [tocAt, tocAt + toc.byteLength],
    tarSplit: [tarSplitAt, tarSplitAt + tarSplit.byteLength]
  }
}

export const zstdContent = (frames: Uint8Array): Buffer => zstdDecompressSync(frames)

export const zstdToc = (bytes: Uint8Array): ReadonlyArray<TocEntry> =>
  JSON.parse(zstdContent(bytes).toString()).entries

// -- eStargz --------------------------------------------------------------------------------------------------------

export const stargzFooterBytes = 51

/** A gzip member without content whose extra field names the offset of the table of contents. */
const stargzFooter = (tocAt: number): Buffer => {
  const extra = Buffer.from(`SG\x16\x00${tocAt.toString(16).padStart(16, "0")}STARGZ`, "latin1")
  const header = Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, extra.byteLength, 0])
  return Buffer.concat([header, extra, Buffer.from([1, 0, 0, 255, 255]), Buffer.alloc(8)])
}

/** The blob, and the length of its front that is read before the container starts. */
export const eStargz = (
  files: ReadonlyArray<LayerFile>,
  prioritized: number
): { readonly blob: Buffer; readonly prefetch: number } => {
  const { body, entries } = lay(files, (bytes) => gzipSync(bytes))
  const content = Buffer.from(
    JSON.stringify({ version: 1, entries: entries.map((entry) => ({ type: "reg", ...entry })) })
  )
  const toc = { name: "stargz.index.json", content }
  const member = gzipSync(archiveOf(toc))
  return {
    blob: Buffer.concat([body, member, stargzFooter(body.byteLength)]),
    prefetch: entries[prioritized]!.offset
  }
}

/** The offset of the table of contents, from a footer. */
export const stargzTocOffset = (footer: Uint8Array): number =>
  Number.parseInt(Buffer.from(footer.subarray(16, 32)).toString(), 16)

export const gzipContent = (members: Uint8Array): Buffer => gunzipSync(members)

export const stargzToc = (member: Uint8Array): ReadonlyArray<TocEntry> => {
  const contents = Stream.succeed(gzipContent(member)).pipe(
    Stream.pipeThroughChannel(Tar.decode()),
    Stream.flatMap(({ body }) => body),
    Stream.runCollect,
    Effect.runSync
  )
  return JSON.parse(Buffer.concat(contents).toString()).entries
}
