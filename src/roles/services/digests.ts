// Decides what roles may ask of cryptography: SHA-2 over bytes. One implementation a world (node:crypto on sockets; the
// simulator hashes real bytes for real, and knows symbolic payloads). All calls are synchronous: never more than a
// piece, a manifest or a chunk at a time.

import { Context } from "effect"
import type { Digest, DigestAlgorithm } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import type { Metainfo } from "../../protocol/wire/metainfo.ts"

export class Digests extends Context.Service<
  Digests,
  {
    /** The digest of a small document, a manifest for instance. */
    readonly digest: (algorithm: DigestAlgorithm, bytes: Uint8Array) => Digest
    /** The swarm's id: SHA-256 of the metainfo's canonical bytes. */
    readonly swarmId: (metainfo: Metainfo) => SwarmId
  }
>()("shoal/roles/Digests") {}
