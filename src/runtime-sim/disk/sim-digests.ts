// Hashing in a simulated world: real bytes by node:crypto; symbols need none. A payload never changes, so each is
// hashed once per world however many hosts verify it. The store that asks for a hash charges its host the time.

import { createHash, hash } from "node:crypto"
import { invariant } from "../../protocol/kit/invariant.ts"
import { makeDigest, toHex } from "../../protocol/wire/digest.ts"
import { pieceHash, pieceLevels, type Sha256, type TreeShape } from "../../protocol/wire/hash-tree.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import { encodeMetainfo, type SwarmInfo, type Torrent } from "../../protocol/wire/metainfo.ts"
import type { Payload } from "../../protocol/wire/payload.ts"
import type { Digests } from "../../roles/services/digests.ts"

const pieceHashes = new WeakMap<Uint8Array, { readonly levels: number; readonly hash: Uint8Array }>()
const torrents = new WeakMap<SwarmInfo, Torrent<SwarmInfo>>()

/**
 * Metainfo by its bytes. Every host decodes its own, and thousands of equal copies would be most of a host's memory.
 * The map is emptied when it is full, which costs only sharing.
 */
const shared = new Map<SwarmId, WeakRef<Torrent<SwarmInfo>>>()
const maxShared = 4096

/** For hash trees. */
export const sha256: Sha256 = (bytes) => hash("sha256", bytes, "buffer")

/** The hash of a piece of real bytes, in the tree of its blob. */
export const payloadHash = (shape: TreeShape, payload: Payload): Uint8Array => {
  invariant(payload instanceof Uint8Array, "sim digests: a payload that is hashed is bytes")
  const levels = pieceLevels(shape)
  let known = pieceHashes.get(payload)
  if (known?.levels !== levels) {
    known = { levels, hash: pieceHash(shape, payload, sha256) }
    pieceHashes.set(payload, known)
  }
  return known.hash
}

/** The metainfo with its swarm's id: one object for all equal ones. */
export const sharedTorrent = <Info extends SwarmInfo>(metainfo: Info): Torrent<Info> => {
  const known = torrents.get(metainfo)
  if (known !== undefined) return known as Torrent<Info>
  const swarm = toHex(createHash("sha256").update(encodeMetainfo(metainfo)).digest()) as SwarmId
  let torrent = shared.get(swarm)?.deref()
  if (torrent === undefined) {
    torrent = { swarm, metainfo }
    if (shared.size >= maxShared) shared.clear()
    shared.set(swarm, new WeakRef(torrent))
  }
  torrents.set(metainfo, torrent)
  // Equal canonical bytes are of the same kind.
  return torrent as Torrent<Info>
}

export const simDigests: Digests["Service"] = {
  digest: (algorithm, bytes) => makeDigest(algorithm, createHash(algorithm).update(bytes).digest()),
  swarmId: (metainfo) => sharedTorrent(metainfo).swarm
}
