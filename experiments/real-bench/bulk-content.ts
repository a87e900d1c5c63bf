// The bytes of large blobs: a random block of 1 MiB that repeats, each time with its number in the first bytes, so that
// no two blocks are equal, and neither sender nor receiver needs a file, a hash or the whole blob in memory. The
// receiver compares every byte.

import { createCipheriv, createHash, hash } from "node:crypto"

export const blockLength = 2 ** 20

/** The block with number 0. Different seeds give blobs that share nothing. */
const firstBlock = (seed: string): Buffer =>
  createCipheriv("aes-256-ctr", hash("sha256", seed, "buffer"), Buffer.alloc(16)).update(
    Buffer.alloc(blockLength)
  )

/** A writable copy of the block of a seed, which can become each block of the blob in turn. */
export interface BulkBlock {
  /** The bytes of block `number`, valid until the next call. */
  readonly become: (number: number) => Buffer
}

export const makeBulkBlock = (seed: string): BulkBlock => {
  const block = firstBlock(seed)
  return {
    become: (number) => {
      block.writeBigUInt64BE(BigInt(number), 0)
      return block
    }
  }
}

/** The digest of the first `length` bytes, as registries write it. */
export const bulkDigest = (seed: string, length: number): string => {
  const block = makeBulkBlock(seed)
  const digest = createHash("sha256")
  for (let offset = 0; offset < length; offset += blockLength) {
    digest.update(block.become(offset / blockLength).subarray(0, Math.min(blockLength, length - offset)))
  }
  return `sha256:${digest.digest("hex")}`
}

/** Compares a blob that arrives in order with what was sent. */
export interface BulkCheck {
  /** Whether the next bytes are right. */
  readonly next: (bytes: Buffer) => boolean
  /** Bytes so far. */
  readonly received: () => number
}

export const makeBulkCheck = (seed: string): BulkCheck => {
  const block = makeBulkBlock(seed)
  let received = 0
  return {
    next: (bytes) => {
      let isRight = true
      for (let from = 0; from < bytes.byteLength; ) {
        const within = received % blockLength
        const length = Math.min(blockLength - within, bytes.byteLength - from)
        const expected = block.become(Math.floor(received / blockLength))
        const order = expected.compare(bytes, from, from + length, within, within + length)
        isRight &&= order === 0
        from += length
        received += length
      }
      return isRight
    },
    received: () => received
  }
}
