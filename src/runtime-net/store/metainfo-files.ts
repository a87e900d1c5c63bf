// Metainfo of blobs and downloads: canonical bytes in a file named by the digest, and an index from swarm id to digest.
// Behind the canonical bytes of a complete blob are the hashes of its pieces, so that it is served without being read
// once more. The entry of the index is written first, so metainfo that exists can be found. An entry that leads to
// other metainfo, or to none, counts as absent.
//
// Metainfo of version 1 (a list of flat SHA-256) counts as absent until it is replaced: the root of a blob's tree is
// computed when the blob is first used.
//
// Invariant: metainfo that is returned decodes and belongs to the digest that was asked for. The hashes are what was
// once written; whoever uses them checks that they lead to the root.

import { dirname } from "node:path"
import { Effect, Option } from "effect"
import { type Digest, parseDigest } from "../../protocol/wire/digest.ts"
import { hashBytes, isSubtreeLength } from "../../protocol/wire/hash-tree.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import {
  decodeMetainfo,
  encodeMetainfo,
  type Metainfo,
  metainfoBytes,
  pieceCount,
  type Torrent
} from "../../protocol/wire/metainfo.ts"
import { BlobStoreError } from "../../roles/services/blob-store.ts"
import { digestOf, torrentOf } from "../platform/node-digests.ts"
import type { BlobFolders } from "./blob-folders.ts"
import type { DiskFiles } from "./disk-files.ts"

export interface MetainfoFiles {
  readonly get: (digest: Digest) => Effect.Effect<Option.Option<Torrent>, BlobStoreError>
  /** The hashes of the pieces, if they are stored; not checked against the root. */
  readonly layer: (digest: Digest) => Effect.Effect<Option.Option<Uint8Array>, BlobStoreError>
  /** Stores it in place of any earlier one, with the hashes of the pieces if they are given. */
  readonly put: (metainfo: Metainfo, layer?: Uint8Array) => Effect.Effect<Torrent, BlobStoreError>
  readonly remove: (digest: Digest) => Effect.Effect<void, BlobStoreError>
  readonly findSwarm: (swarm: SwarmId) => Effect.Effect<Option.Option<Torrent>, BlobStoreError>
}

/** What a file holds. `swarm` is the entry of the index that leads to it. */
interface Kept {
  readonly swarm: SwarmId
  readonly torrent: Torrent | undefined
  readonly layer: Uint8Array | undefined
}

export const makeMetainfoFiles = (files: DiskFiles, folders: BlobFolders): MetainfoFiles => {
  const read = (digest: Digest): Effect.Effect<Kept | undefined, BlobStoreError> =>
    Effect.map(files.readSmall(folders.metainfo(digest)), (bytes) =>
      Option.isSome(bytes) ? parseKept(digest, bytes.value) : undefined
    )

  const get = (digest: Digest): Effect.Effect<Option.Option<Torrent>, BlobStoreError> =>
    Effect.map(read(digest), (kept) => Option.fromUndefinedOr(kept?.torrent))

  const put = Effect.fnUntraced(function* (metainfo: Metainfo, layer?: Uint8Array) {
    if (!isSubtreeLength(metainfo.pieceLength)) return yield* noSubtree(metainfo)
    const torrent = torrentOf(metainfo)
    const before = yield* read(metainfo.digest)
    const isKept = before?.torrent !== undefined && before.swarm === torrent.swarm
    if (isKept && (layer === undefined || before.layer !== undefined)) return torrent
    const index = folders.swarm(torrent.swarm)
    const sidecar = folders.metainfo(metainfo.digest)
    yield* files.makeFolder(dirname(index))
    yield* files.makeFolder(dirname(sidecar))
    if (!isKept) {
      yield* files.replaceFile(index, new TextEncoder().encode(metainfo.digest), folders.temporary)
    }
    const canonical = encodeMetainfo(metainfo)
    const bytes = layer === undefined ? canonical : joined(canonical, layer)
    yield* files.replaceFile(sidecar, bytes, folders.temporary)
    if (before !== undefined && !isKept) yield* files.removeFile(folders.swarm(before.swarm))
    return torrent
  }, Effect.uninterruptible)

  const remove = Effect.fnUntraced(function* (digest: Digest) {
    const before = yield* read(digest)
    yield* files.removeFile(folders.metainfo(digest))
    if (before !== undefined) yield* files.removeFile(folders.swarm(before.swarm))
  }, Effect.uninterruptible)

  const findSwarm = Effect.fnUntraced(function* (swarm: SwarmId) {
    const entry = yield* files.readSmall(folders.swarm(swarm))
    if (Option.isNone(entry)) return Option.none<Torrent>()
    const digest = parseDigest(new TextDecoder().decode(entry.value))
    if (digest === undefined) return Option.none<Torrent>()
    return Option.filter(yield* get(digest), (torrent) => torrent.swarm === swarm)
  })

  return {
    get,
    layer: (digest) => Effect.map(read(digest), (kept) => Option.fromUndefinedOr(kept?.layer)),
    put,
    remove,
    findSwarm
  }
}

const magicOfVersion1 = "SHOALMI1"

/** Bytes that are metainfo of neither version are nothing, and so is metainfo of another digest. */
const parseKept = (digest: Digest, bytes: Uint8Array): Kept | undefined => {
  if (new TextDecoder().decode(bytes.subarray(0, magicOfVersion1.length)) === magicOfVersion1) {
    const swarm = digestOf("sha256", bytes).slice("sha256:".length) as SwarmId
    return { swarm, torrent: undefined, layer: undefined }
  }
  const canonical = metainfoBytes(digest.length)
  const metainfo = decodeMetainfo(bytes.subarray(0, canonical))
  if ("tag" in metainfo || metainfo.digest !== digest) return undefined
  const torrent = torrentOf(metainfo)
  const hasLayer = bytes.length === canonical + pieceCount(metainfo) * hashBytes
  return { swarm: torrent.swarm, torrent, layer: hasLayer ? bytes.subarray(canonical) : undefined }
}

const joined = (front: Uint8Array, back: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(front.length + back.length)
  bytes.set(front)
  bytes.set(back, front.length)
  return bytes
}

const noSubtree = ({ digest, pieceLength }: Metainfo): BlobStoreError =>
  new BlobStoreError({
    reason: "io",
    message:
      `cannot take the metainfo of ${digest}: its pieces of ${pieceLength} bytes are no power of two of ` +
      "16 KiB; the origin that made it has another version"
  })
