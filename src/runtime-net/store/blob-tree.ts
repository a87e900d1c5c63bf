// The hash tree of a blob on this machine, computed from its bytes in order: in this thread, a chunk at a time, so the
// event loop turns between two. Only the hashes of short stretches are kept while the length is unknown; those of the
// pieces are made of them at the end.

import { Effect, Stream } from "effect"
import { BoundedMap } from "../../protocol/kit/bounded-map.ts"
import { invariant } from "../../protocol/kit/invariant.ts"
import { limits } from "../../protocol/limits.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import {
  hashBytes,
  isSubtreeLength,
  layerAbove,
  leafBytes,
  pieceLevels,
  rootOf,
  rootOfLayer,
  type TreeShape
} from "../../protocol/wire/hash-tree.ts"
import type { Metainfo } from "../../protocol/wire/metainfo.ts"
import type { BlobStoreError } from "../../roles/services/blob-store.ts"
import { runningHash, sha256 } from "../platform/node-digests.ts"
import { readFileRange } from "./blob-reader.ts"
import type { DiskFiles } from "./disk-files.ts"
import type { StoreLimits } from "./limits.ts"

/** A tree that grows with the bytes of a blob. */
export interface RunningTree {
  readonly update: (bytes: Uint8Array) => void
  /** The hashes of the pieces, for pieces of the stretch or longer. Nothing may be called afterwards. */
  readonly finish: (shape: TreeShape) => Uint8Array
}

/** Keeps a hash for every `stretch` bytes, a power of two of leaves. */
const runningTree = (stretch: number): RunningTree => {
  invariant(isSubtreeLength(stretch), "blob tree: a stretch is a power of two of leaves")
  const stretches: Uint8Array[] = []
  const leaves = new Uint8Array((stretch / leafBytes) * hashBytes)
  let filled = 0
  let leaf = runningHash()
  let inLeaf = 0

  const endLeaf = (hash: Uint8Array): void => {
    leaves.set(hash, filled)
    filled += hashBytes
    if (filled < leaves.length) return
    stretches.push(rootOf(leaves, pieceLevels({ length: stretch, pieceLength: stretch }), 0, sha256))
    filled = 0
  }

  const endRunning = (): void => {
    endLeaf(leaf.finish())
    leaf = runningHash()
    inLeaf = 0
  }

  return {
    update: (bytes) => {
      for (let at = 0; at < bytes.length; ) {
        if (inLeaf === 0 && at + leafBytes <= bytes.length) {
          endLeaf(sha256(bytes.subarray(at, at + leafBytes)))
          at += leafBytes
          continue
        }
        const part = bytes.subarray(at, at + leafBytes - inLeaf)
        leaf.update(part)
        inLeaf += part.length
        at += part.length
        if (inLeaf === leafBytes) endRunning()
      }
    },
    finish: (shape) => {
      if (inLeaf > 0) endRunning()
      const below = pieceLevels({ length: shape.length, pieceLength: stretch })
      if (filled > 0) stretches.push(rootOf(leaves.subarray(0, filled), below, 0, sha256))
      const hashes = new Uint8Array(stretches.length * hashBytes)
      for (const [index, hash] of stretches.entries()) hashes.set(hash, index * hashBytes)
      return layerAbove(hashes, pieceLevels(shape) - below, below, sha256)
    }
  }
}

/** Metainfo, and the hashes of the pieces that lead to its root. */
export interface BlobTree {
  readonly metainfo: Metainfo
  readonly layer: Uint8Array
}

const treeOf = (
  blob: { readonly digest: Digest; readonly length: number; readonly pieceLength: number },
  layer: Uint8Array
): BlobTree => {
  const { digest, length, pieceLength } = blob
  return { metainfo: { digest, length, pieceLength, root: rootOfLayer(blob, layer, sha256) }, layer }
}

/** The trees of uploads that were hashed while they came, until their metainfo is made. */
export interface UploadTrees {
  readonly begin: () => RunningTree
  /** The upload became the blob `digest`. Beyond the limit the oldest is dropped, and its blob is read again. */
  readonly committed: (digest: Digest, tree: RunningTree) => void
  /** The tree of a blob, if it was kept and has pieces that are made of its stretches. */
  readonly take: (blob: {
    readonly digest: Digest
    readonly length: number
    readonly pieceLength: number
  }) => BlobTree | undefined
}

export const makeUploadTrees = ({ maxUploadTreesKept }: StoreLimits): UploadTrees => {
  const stretch = limits.minPieceLength
  const kept = new BoundedMap<Digest, RunningTree>(maxUploadTreesKept)
  return {
    begin: () => runningTree(stretch),
    committed: (digest, tree) => {
      kept.set(digest, tree)
    },
    take: (blob) => {
      const tree = kept.get(blob.digest)
      kept.delete(blob.digest)
      if (tree === undefined || blob.pieceLength < stretch) return undefined
      return treeOf(blob, tree.finish(blob))
    }
  }
}

/** Reads a complete blob of `length` bytes at `path`. */
export const hashBlob = Effect.fnUntraced(function* (
  files: DiskFiles,
  path: string,
  blob: { readonly digest: Digest; readonly length: number; readonly pieceLength: number }
): Effect.fn.Return<BlobTree, BlobStoreError> {
  const tree = runningTree(blob.pieceLength)
  yield* Stream.runForEach(readFileRange(files, path, 0, blob.length), (chunk) =>
    Effect.sync(() => tree.update(chunk))
  )
  return treeOf(blob, tree.finish(blob))
})
