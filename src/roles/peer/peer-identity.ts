// Decides a host's peer id: the first 20 bytes of a hash over the identity kept in its data folder, so that it stays
// the same over restarts and says nothing about the host.

import { Effect } from "effect"
import { digestEncoded } from "../../protocol/wire/digest.ts"
import { invariant } from "../../protocol/kit/invariant.ts"
import { type PeerId, parsePeerId } from "../../protocol/wire/peer-id.ts"
import type { BlobStoreError } from "../services/blob-store.ts"
import { Digests } from "../services/digests.ts"
import { HostStorage } from "../services/host-storage.ts"

/** The peer id of the host whose data folder this is; made on first use. */
export const peerIdOf = (folder: string): Effect.Effect<PeerId, BlobStoreError, HostStorage | Digests> =>
  Effect.gen(function* () {
    const storage = yield* HostStorage
    const digests = yield* Digests
    const identity = yield* storage.identity(folder)
    const hashed = digests.digest("sha256", new TextEncoder().encode(identity))
    const peerId = parsePeerId(digestEncoded(hashed).slice(0, 40))
    invariant(peerId !== undefined, "a hash is hex digits")
    return peerId
  })
