// Peer id of a host: the first 20 bytes of a hash over the identity in its data folder, so it survives restarts and
// reveals nothing about the host.

import { Effect } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import { digestEncoded } from "../../protocol/wire/digest.ts"
import { type PeerId, parsePeerId } from "../../protocol/wire/peer-id.ts"
import type { BlobStoreError } from "../services/blob-store.ts"
import { Digests } from "../services/digests.ts"
import { HostStorage } from "../services/host-storage.ts"

/** The peer id of the host with this data folder; its identity is made at the first use. */
export const peerIdOf = (folder: string): Effect.Effect<PeerId, BlobStoreError, HostStorage | Digests> =>
  Effect.gen(function* () {
    const storage = yield* HostStorage
    const digests = yield* Digests
    const identity = yield* storage.identity(folder)
    const hashed = digests.digest("sha256", new TextEncoder().encode(identity))
    const peerId = parsePeerId(digestEncoded(hashed).slice(0, 40))
    invariant(peerId !== undefined, "a hash consists of hex digits")
    return peerId
  })
