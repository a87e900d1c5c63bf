// The folders of a blob store. No other file knows a path.
//
//   blobs/sha256/ab/<hex>        a complete blob, its digest checked; the name is the content
//   downloads/sha256/ab/<hex>    pieces so far, at their place in the blob
//   pieces/sha256/ab/<hex>       one bit per piece that was written, and the verified hashes of the tree: hints of a
//                                download; each piece is hashed again before it counts, the hashes at opening
//   metainfo/sha256/ab/<hex>     canonical bytes, of a blob or of a download; of a blob with the hashes of its pieces
//   swarms/ab/<hex>              the digest whose metainfo has this hash: an index, checked when it is used
//   uploads/<id>                 bytes so far
//   temporary/<id>               files being written; emptied when the store opens

import { join } from "node:path"
import { Effect } from "effect"
import { type Digest, digestAlgorithm, digestEncoded, parseDigest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { BlobStoreError } from "../../roles/services/blob-store.ts"
import type { DiskFiles } from "./disk-files.ts"

export interface BlobFolders {
  readonly root: string
  readonly blobs: string
  readonly downloads: string
  readonly swarms: string
  readonly uploads: string
  readonly temporary: string
  readonly blob: (digest: Digest) => string
  readonly download: (digest: Digest) => string
  readonly pieces: (digest: Digest) => string
  readonly metainfo: (digest: Digest) => string
  readonly swarm: (swarm: SwarmId) => string
  readonly upload: (id: string) => string
}

export const blobFolders = (root: string): BlobFolders => {
  const sharded = (kind: string) => (digest: Digest) => {
    const encoded = digestEncoded(digest)
    return join(root, kind, digestAlgorithm(digest), encoded.slice(0, 2), encoded)
  }
  return {
    root,
    blobs: join(root, "blobs"),
    downloads: join(root, "downloads"),
    swarms: join(root, "swarms"),
    uploads: join(root, "uploads"),
    temporary: join(root, "temporary"),
    blob: sharded("blobs"),
    download: sharded("downloads"),
    pieces: sharded("pieces"),
    metainfo: sharded("metainfo"),
    swarm: (swarm) => join(root, "swarms", swarm.slice(0, 2), swarm),
    upload: (id) => join(root, "uploads", id)
  }
}

/** Makes the folders that do not depend on a digest. The others are made when they are first needed. */
export const makeBlobFolders = Effect.fnUntraced(function* (
  files: DiskFiles,
  folders: BlobFolders
): Effect.fn.Return<void, BlobStoreError> {
  yield* files.makeFolder(folders.root)
  for (const kind of ["blobs", "downloads", "pieces", "metainfo"]) {
    yield* files.makeFolder(join(folders.root, kind))
    for (const algorithm of ["sha256", "sha512"]) yield* files.makeFolder(join(folders.root, kind, algorithm))
  }
  for (const kind of ["swarms", "uploads", "temporary"]) yield* files.makeFolder(join(folders.root, kind))
})

/** The digests that name files in a sharded folder: <kind>/<algorithm>/<shard>/<hex>. */
export const digestsIn = Effect.fnUntraced(function* (
  files: DiskFiles,
  kind: string
): Effect.fn.Return<ReadonlyArray<Digest>, BlobStoreError> {
  const found: Array<Digest> = []
  for (const algorithm of yield* files.list(kind)) {
    for (const shard of yield* files.list(join(kind, algorithm))) {
      for (const name of yield* files.list(join(kind, algorithm, shard))) {
        const digest = parseDigest(`${algorithm}:${name}`)
        if (digest !== undefined) found.push(digest)
      }
    }
  }
  return found
})
