// Bytes that a folder takes on the medium, measured on its files, so that no count of our own can go wrong in a crash.
// A file counts with its length, or with the bytes allocated to it if these are more (one byte takes a block). A
// download is a file with holes and counts with its allocated bytes. Folders themselves do not count. The time of the
// last use is the time of modification of the file: a write sets it, and a read is noted there.

import { join } from "node:path"
import { Effect, Option } from "effect"
import { type Digest, parseDigest } from "../../protocol/wire/digest.ts"
import type { BlobStore, BlobStoreError, KeptBlob } from "../../roles/services/blob-store.ts"
import type { BlobFolders } from "./blob-folders.ts"
import type { FileStat } from "./disk.ts"
import type { DiskFiles } from "./disk-files.ts"
import type { StoreLimits } from "./limits.ts"
import type { MetainfoFiles } from "./metainfo-files.ts"

type Usage = Pick<BlobStore, "usage" | "measure" | "noteUse">

const takes = ({ length, allocated }: FileStat): number => Math.max(length, allocated)

export const makeStoreUsage = (
  files: DiskFiles,
  folders: BlobFolders,
  metainfos: MetainfoFiles,
  { maxParallelLooks: concurrency }: StoreLimits
): Usage => {
  /** What is stored under a digest. `look` finds an existing file; `index` is the size of the entry of its swarm. */
  const keptOf = (
    digest: Digest,
    look: (path: string) => FileStat | undefined,
    index: number
  ): KeptBlob | undefined => {
    const blob = look(folders.blob(digest))
    const download = look(folders.download(digest))
    const metainfo = look(folders.metainfo(digest))
    const newest = blob ?? download ?? metainfo
    if (newest === undefined) return undefined
    const notes = [blob, look(folders.pieces(digest)), metainfo].reduce(
      (sum, file) => sum + (file === undefined ? 0 : takes(file)),
      0
    )
    return {
      digest,
      bytes: notes + (download?.allocated ?? 0) + index,
      complete: blob !== undefined,
      usedAt: Math.round(newest.modifiedAt)
    }
  }

  const measure = (digest: Digest): Effect.Effect<Option.Option<KeptBlob>, BlobStoreError> =>
    Effect.gen(function* () {
      const found = new Map<string, FileStat>()
      const see = Effect.fnUntraced(function* (path: string) {
        const file = yield* files.stat(path)
        if (Option.isSome(file)) found.set(path, file.value)
        return Option.match(file, { onNone: () => 0, onSome: takes })
      })
      for (const place of ["blob", "download", "pieces", "metainfo"] as const) {
        yield* see(folders[place](digest))
      }
      const torrent = yield* metainfos.get(digest)
      const index = Option.isSome(torrent) ? yield* see(folders.swarm(torrent.value.swarm)) : 0
      return Option.fromUndefinedOr(keptOf(digest, (path) => found.get(path), index))
    })

  /** Every file below `folder`. Files that vanish meanwhile are skipped. */
  const walk = (folder: string, found: Map<string, FileStat>): Effect.Effect<void, BlobStoreError> =>
    Effect.gen(function* () {
      const inside: Array<string> = []
      yield* Effect.forEach(
        yield* files.list(folder),
        (name) =>
          Effect.map(files.stat(join(folder, name)), (file) => {
            if (Option.isNone(file)) return
            if (file.value.isFile) found.set(join(folder, name), file.value)
            else inside.push(name)
          }),
        { concurrency, discard: true }
      )
      for (const name of inside) yield* walk(join(folder, name), found)
    })

  const usage = Effect.gen(function* () {
    const found = new Map<string, FileStat>()
    yield* walk(folders.root, found)
    const indexes = new Map<Digest, number>()
    const inSwarms = join(folders.swarms, "/")
    yield* Effect.forEach(
      [...found].filter(([path]) => path.startsWith(inSwarms)),
      ([path, file]) =>
        Effect.map(files.readSmall(path), (bytes) => {
          const digest = Option.isSome(bytes) ? parseDigest(new TextDecoder().decode(bytes.value)) : undefined
          if (digest !== undefined) indexes.set(digest, (indexes.get(digest) ?? 0) + takes(file))
        }),
      { concurrency, discard: true }
    )
    const kept: Array<KeptBlob> = []
    let other = 0
    const inDownloads = join(folders.downloads, "/")
    for (const [path, file] of found) other += path.startsWith(inDownloads) ? file.allocated : takes(file)
    for (const digest of digestsAmong(folders, found.keys())) {
      const blob = keptOf(digest, (path) => found.get(path), indexes.get(digest) ?? 0)
      if (blob === undefined) continue
      kept.push(blob)
      other -= blob.bytes
    }
    return { kept, other }
  })

  const noteUse = (digest: Digest, at: number): Effect.Effect<void, BlobStoreError> =>
    Effect.gen(function* () {
      if (yield* files.setModified(folders.blob(digest), at)) return
      yield* files.setModified(folders.download(digest), at)
    })

  return { usage, measure, noteUse }
}

/** The digests whose blob, download or metainfo is among the paths. */
const digestsAmong = (folders: BlobFolders, paths: Iterable<string>): ReadonlySet<Digest> => {
  const kinds = [folders.blobs, folders.downloads, join(folders.root, "metainfo")].map((kind) =>
    join(kind, "/")
  )
  const digests = new Set<Digest>()
  for (const path of paths) {
    const kind = kinds.find((folder) => path.startsWith(folder))
    if (kind === undefined) continue
    const [algorithm, , encoded] = path.slice(kind.length).split(/[/\\]/)
    const digest = parseDigest(`${algorithm}:${encoded}`)
    if (digest !== undefined) digests.add(digest)
  }
  return digests
}
