// Digests service: SHA-2 over bytes. runtime-net uses node:crypto; runtime-sim hashes real bytes and has digests of
// symbolic payloads. All calls are synchronous, so an argument is at most a piece, a manifest or a chunk.

import { Context } from "effect"
import type { Digest, DigestAlgorithm } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { SwarmInfo } from "../../protocol/wire/metainfo.ts"

export class Digests extends Context.Service<
  Digests,
  {
    /** The digest of a small document such as a manifest. */
    readonly digest: (algorithm: DigestAlgorithm, bytes: Uint8Array) => Digest
    /** The id of a swarm: SHA-256 of the canonical bytes of its metainfo. */
    readonly swarmId: (metainfo: SwarmInfo) => SwarmId
  }
>()("shoal/roles/Digests") {}
