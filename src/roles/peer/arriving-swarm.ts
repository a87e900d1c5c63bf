// Open swarm of a blob that this host receives. The pieces are put into it as they come, and its peers download them
// meanwhile.
//
// Invariant: a piece is announced only after it is stored.

import { Effect } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import type { PeerHostInput } from "../../protocol/swarm/peer-host-io.ts"
import type { Arrival } from "../../protocol/wire/metainfo.ts"
import type { ArrivingFile, BlobStoreError } from "../services/blob-store.ts"
import type { OpenSwarm, SwarmEntry } from "./open-swarm.ts"

export interface ArrivingSwarm extends Pick<OpenSwarm, "completed" | "breakWith"> {
  readonly arrival: Arrival
  /** Stores a piece and serves it from then on. The bytes must not change any more. */
  readonly put: (piece: number, bytes: Uint8Array) => Effect.Effect<void, BlobStoreError>
}

export const arriving = (
  entry: SwarmEntry,
  file: ArrivingFile,
  feed: (input: PeerHostInput) => void
): ArrivingSwarm => ({
  arrival: file.metainfo,
  completed: entry.completed,
  breakWith: entry.breakWith,
  put: (piece, bytes) =>
    Effect.callback((resume) => {
      file.put(piece, bytes, (outcome) => {
        if (outcome.tag === "Failed") {
          resume(Effect.fail(outcome.error))
          return
        }
        invariant(outcome.tag === "Stored", "arriving swarm: a piece of the wrong length was put")
        feed({ tag: "PieceArrived", swarm: entry.swarm, piece })
        entry.stored(piece)
        resume(Effect.void)
      })
    })
})
