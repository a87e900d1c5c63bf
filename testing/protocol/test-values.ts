// Values that tests of the peer machine share: random numbers, ids and metainfo.

import type { RandomSource } from "../../src/protocol/kit/random-source.ts"
import { parseDigest } from "../../src/protocol/wire/digest.ts"
import type { SwarmId } from "../../src/protocol/wire/message.ts"
import type { Metainfo } from "../../src/protocol/wire/metainfo.ts"
import { type PeerAddress, type PeerKind, parsePeerId } from "../../src/protocol/wire/peer-id.ts"

/** A small generator of random numbers (mulberry32), whose results are the same everywhere. */
export const seededRandom = (seed: number): RandomSource => {
  let state = seed >>> 0
  return {
    nextInt: (bound) => {
      state = (state + 0x6d2b79f5) >>> 0
      let mixed = Math.imul(state ^ (state >>> 15), state | 1)
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
      return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
    }
  }
}

export const testPeer = (index: number, kind: PeerKind = "agent"): PeerAddress => ({
  peerId: parsePeerId(index.toString(16).padStart(40, "0"))!,
  address: `host-${index}:1`,
  kind
})

export const testSwarm = (index: number): SwarmId => index.toString(16).padStart(64, "0") as SwarmId

/** A metainfo without real hashes: the store of a test world knows which pieces are corrupt. */
export const testMetainfo = (pieces: number, pieceLength: number, shortBy = 0): Metainfo => ({
  digest: parseDigest(`sha256:${"ab".repeat(32)}`)!,
  length: pieces * pieceLength - shortBy,
  pieceLength,
  root: new Uint8Array(32)
})
