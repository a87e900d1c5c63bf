// Digests on this machine: OpenSSL through node:crypto, in this thread (1.4 GB/s of SHA-256 with SHA-NI). A caller
// therefore passes one piece, chunk or document at a time. It does not know files.

import { createHash, hash } from "node:crypto"
import { Layer } from "effect"
import { type Digest, type DigestAlgorithm, makeDigest } from "../../protocol/wire/digest.ts"
import type { Sha256 } from "../../protocol/wire/hash-tree.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import { encodeMetainfo, type SwarmInfo, type Torrent } from "../../protocol/wire/metainfo.ts"
import { Digests } from "../../roles/services/digests.ts"

export const digestOf = (algorithm: DigestAlgorithm, bytes: Uint8Array): Digest =>
  `${algorithm}:${hash(algorithm, bytes, "hex")}` as Digest

/** SHA-256 of the canonical bytes of the metainfo. */
export const swarmIdOf = (metainfo: SwarmInfo): SwarmId =>
  hash("sha256", encodeMetainfo(metainfo), "hex") as SwarmId

export const torrentOf = <Info extends SwarmInfo>(metainfo: Info): Torrent<Info> => ({
  swarm: swarmIdOf(metainfo),
  metainfo
})

/** For hash trees. */
export const sha256: Sha256 = (bytes) => hash("sha256", bytes, "buffer")

/** A SHA-256 of bytes that arrive in order, chunk by chunk. */
export const runningHash = () => {
  const running = createHash("sha256")
  return {
    update: (bytes: Uint8Array): void => {
      running.update(bytes)
    },
    /** Ends the hash; neither function may be called again. */
    finish: (): Uint8Array => running.digest()
  }
}

/** A digest of bytes that arrive in order, chunk by chunk. */
export interface RunningDigest {
  readonly update: (bytes: Uint8Array) => void
  /** Ends the digest; neither function may be called again. */
  readonly finish: () => Digest
}

export const runningDigest = (algorithm: DigestAlgorithm): RunningDigest => {
  const running = createHash(algorithm)
  return {
    update: (bytes) => {
      running.update(bytes)
    },
    finish: () => makeDigest(algorithm, running.digest())
  }
}

export const nodeDigests: Layer.Layer<Digests> = Layer.succeed(Digests, {
  digest: digestOf,
  swarmId: swarmIdOf
})
