// Decides how a blob, or an unfinished download, leaves an agent: whoever remembers it forgets it, its neighbours and the
// trackers are told that it is no longer here, and its bytes and metainfo go. Asked for again, it is downloaded again.
//
// Invariant: while it is wanted here or a piece of it is on its way to a peer, nothing happens at all.

import { Effect, Option } from "effect"
import type { Announcer } from "../peer/announcer.ts"
import type { Evict } from "./disk-budget.ts"
import type { Downloads } from "./downloads.ts"
import type { PeerEngine } from "../peer/peer-engine.ts"
import type { BlobStore } from "../services/blob-store.ts"

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
      // A download that ended a moment ago is still open, in case another client comes for it.
      yield* downloads.forget(digest)
      return yield* engine.retire(swarm, Effect.andThen(announcer.gone(swarm), blobs.remove(digest)))
    })
