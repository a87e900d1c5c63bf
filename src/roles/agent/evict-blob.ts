// Eviction of a blob or an unfinished download from an agent: the download is forgotten, the swarm is closed, the
// trackers hear that this host stopped, and the bytes and metainfo are removed. A later request downloads it again.
//
// Invariant: nothing is removed while the blob is wanted here or a piece of it is being sent to a peer.

import { Effect, Option } from "effect"
import type { Announcer } from "../peer/announcer.ts"
import type { PeerEngine } from "../peer/peer-engine.ts"
import type { BlobStore } from "../services/blob-store.ts"
import type { Evict } from "./disk-budget.ts"
import type { Downloads } from "./downloads.ts"

export const evictBlob =
  (agent: {
    readonly blobs: BlobStore
    readonly engine: PeerEngine
    readonly announcer: Announcer
    readonly downloads: Downloads
  }): Evict =>
  (digest) =>
    Effect.gen(function* () {
      const { blobs, engine, announcer, downloads } = agent
      const torrent = yield* blobs.metainfo(digest)
      if (Option.isNone(torrent)) {
        yield* blobs.remove(digest)
        return true
      }
      const { swarm } = torrent.value
      // A download that ended a moment ago is kept open for the next client.
      yield* downloads.forget(digest)
      return yield* engine.retire(swarm, Effect.andThen(announcer.gone(swarm), blobs.remove(digest)))
    })
