// The hash tree: it has the roots and piece layers that libtorrent computes, every proof leads to the root and no other
// bytes do, and a host knows exactly what proofs have taught it.

import { createHash } from "node:crypto"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { InvariantViolation } from "../kit/invariant.ts"
import { toHex } from "./digest.ts"
import {
  climb,
  hashBytes,
  isSubtreeLength,
  layerAbove,
  leafBytes,
  levelsAbove,
  missingLeaf,
  pieceHash,
  pieceLevels,
  proofIn,
  rootOf,
  rootOfBytes,
  rootOfLayer,
  type TreeShape
} from "./hash-tree.ts"

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(bytes).digest())
const KiB = 1024

/** SHA-256 of "shoal 0", of "shoal 1" and so on, cut to `length` bytes. */
const content = (length: number): Uint8Array => {
  const bytes = Buffer.alloc(Math.ceil(length / hashBytes) * hashBytes)
  for (let at = 0; at < length; at += hashBytes) {
    bytes.set(sha256(Buffer.from(`shoal ${at / hashBytes}`)), at)
  }
  return new Uint8Array(bytes.subarray(0, length))
}

const layerOf = (shape: TreeShape, bytes: Uint8Array): Uint8Array => {
  const hashes: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += shape.pieceLength) {
    hashes.push(pieceHash(shape, bytes.subarray(at, at + shape.pieceLength), sha256))
  }
  return new Uint8Array(Buffer.concat(hashes))
}

const hashAt = (hashes: Uint8Array, index: number): Uint8Array =>
  hashes.subarray(index * hashBytes, (index + 1) * hashBytes)

/** Made-up hashes of `count` subtrees. */
const madeUp = (count: number): Uint8Array =>
  new Uint8Array(Buffer.concat(Array.from({ length: count }, (_, index) => sha256(Buffer.from([index, 7])))))

/**
 * Length, root, and the SHA-256 of the piece layer for pieces of 64 KiB ("" where there is none), by libtorrent 2.0.8
 * (python3-libtorrent of Debian 12) for the file `f` with the content above:
 *
 *   fs = lt.file_storage(); lt.add_files(fs, "f")
 *   torrent = lt.create_torrent(fs, piece_size=65536, flags=lt.create_torrent.v2_only)
 *   lt.set_piece_hashes(torrent, ".")
 *   made = torrent.generate()
 *   root = made[b"info"][b"file tree"][b"f"][b""][b"pieces root"]
 *   layer = made.get(b"piece layers", {}).get(root, b"")
 */
const byLibtorrent: ReadonlyArray<readonly [number, string, string]> = [
  [1, "252f10c83610ebca1a059c0bae8255eba2f95be4d1d7bcfa89d7248a82d9f111", ""],
  [31, "6a53a5ac14f14c9a67220c939f63d6c9e2408f0d49d8a198d9f39b7dcb4bb65a", ""],
  [16383, "2f486137fb718abef0ddf1050265cf7acb240d4e7d95c6a5af4c86d7b61ec826", ""],
  [16384, "d39c5f14b9e91cc28343528fa788a047d8ff23630fefb5cb15369a7a53bb66d4", ""],
  [16385, "331429cd1d8c4b738437f5919ae845872ccfd37938059177f4627f19ec2608df", ""],
  [32768, "b42e0cd460496a06b3028a75ec452b88b59f87ddff9088bfc3a7208ef743919d", ""],
  [49152, "1bdd6c17ccbfcd4cd6243a516671fde5a23ac5b7176c3d970f70598222455515", ""],
  [49153, "5e040ab3f4080ff04e114f51c3ca555864db60f9495d03b3e50987dfbe9df796", ""],
  [65536, "3d5ad8098c00137c6873f2fbeb9860a74c5ef0d942dce70d0018b805e4bc3b5e", ""],
  [
    65537,
    "f854dd2829138a2a426aaf6d1f29ba7922dbb186b1735875affca476e2d3e8a6",
    "f854dd2829138a2a426aaf6d1f29ba7922dbb186b1735875affca476e2d3e8a6"
  ],
  [
    100000,
    "139ac9c3074da38933e6c00c81c894c4e48cc176ff2dfafaf77cc0db30d46cae",
    "139ac9c3074da38933e6c00c81c894c4e48cc176ff2dfafaf77cc0db30d46cae"
  ],
  [
    262143,
    "80dc66123b31ca9584dedecd966e2d58c1b74995a02201a5988220924861d8bc",
    "42cecb2fae2885b6974b08a7bb2e10bd8f86edc59d9257e3635a56f3d6e4950f"
  ],
  [
    262144,
    "2fe44b42837cc9d6c87499852c44d306f541fe9e7d917b2a763888d9fd56d71f",
    "204ad4de326c1a09f973093f181af399b46264faf90d9c5a422f00d7412ec109"
  ],
  [
    262145,
    "6a7f25d9988e23436a3006f6b8ee258a7dab31842b096b6edee10b8809bcc129",
    "d54201d14e292982d624ba6b5eae5918c06a38c692ff1410e3b6d5fd2258e4a9"
  ],
  [
    300000,
    "7df82bef1d42329f03680532569d6af387136b30651e02113769490f2a03ff88",
    "865901a4012aee8c4bedfce08bd40b1fa447ed7b1f9ce7f38bc0f5d90c2a822f"
  ],
  [
    524288,
    "a1416cc5cf6e36caa18d844e32fa8451e8b5eb2c88989339281338dc6a4ab6cf",
    "301b827565683f7d5e6c7ee4468f68fdadf15e0ddb81d7bc4378cb487068e9fc"
  ],
  [
    524289,
    "31d57d134e658f4b9d2df80b65496eee7e052374825bec075d3a258fa7b9e744",
    "dec6178195dc0c1d23bf8164211186688241a572f9c0770e891604291b472095"
  ],
  [
    786433,
    "fede9b46aeee0c0d9e8f68bdeb9fc8671211e5ad5f16eb82754b11e0a062ebf6",
    "8a3b9dde733aa1fcdd5c23321f3d1d86987ca42bfcaff120599849a93ee645e2"
  ],
  [
    1000000,
    "276006fcc9b55d17af99964b546ef3cf6df3fb40c346b7f1bee5530898f735ca",
    "eddda3fe2d6ceab664d41f968765c8c702792ee7a3adefaef8f6961299acbdf1"
  ],
  [
    1048576,
    "2f402991a9481e243d393bb665ac2b1040e8994de0323246fb8be868caf12eea",
    "35bafd87f99bded3c5108440b35e826ea830f7643337d0c214783f31ee4949d3"
  ],
  [
    1048577,
    "aedded1440585fd2715431852a77912ed28f225a39d330d7fd6d6fda35679571",
    "eb503914c5710eb232c97a6a6cc547d795a4486b084b16908dba259548f62027"
  ],
  [
    2500001,
    "0a184a650a8ace312ecc8c9eaa0465b629e91994664708a66852423be8bf9412",
    "ea6acbb94d69bbb5b262f62b587b9bfac76e7aa4ddbf071a709070c9080f7000"
  ],
  [
    4194304,
    "6e3bff6256562ed1bd66f1c724890387a3f372fee365cb05860e6badf4185e53",
    "bcba623fa9f687352874659a44a8b52cc52e5c520432d4ba0cae6965c6c1c81f"
  ],
  [
    5242881,
    "a4fa8e93f472e0eb3630d864f5256340d75fff2846a63620b87af0c6bcf99da5",
    "46c9b8c1f0a71ed41333c79056cefaba8aa91d2fb0ff870ee441e947c46a0d8c"
  ]
]

describe("a tree over bytes", () => {
  test.each(byLibtorrent)("of %i bytes has libtorrent's root and piece layer", (length, root, layerHash) => {
    const bytes = content(length)
    expect(toHex(rootOfBytes(bytes, levelsAbove(Math.ceil(length / leafBytes)), sha256))).toBe(root)
    for (const pieceLength of [16 * KiB, 64 * KiB, 256 * KiB, 1024 * KiB]) {
      const shape = { length, pieceLength }
      const layer = layerOf(shape, bytes)
      expect(toHex(rootOfLayer(shape, layer, sha256))).toBe(root)
      if (pieceLength !== 64 * KiB) continue
      if (layerHash === "") expect(toHex(layer)).toBe(root)
      else expect(toHex(sha256(layer))).toBe(layerHash)
    }
  })

  test("of no bytes is one missing leaf", () => {
    expect(rootOfBytes(new Uint8Array(0), 0, sha256)).toEqual(missingLeaf)
    expect(pieceLevels({ length: 0, pieceLength: 256 * KiB })).toBe(0)
  })

  test("has its long subtrees' hashes from those of its short ones", () => {
    const shape = { length: 1_000_000, pieceLength: 64 * KiB }
    const bytes = content(shape.length)
    const leaves = layerOf({ ...shape, pieceLength: leafBytes }, bytes)
    expect(layerAbove(leaves, 2, 0, sha256)).toEqual(layerOf(shape, bytes))
    const long = layerOf({ ...shape, pieceLength: 256 * KiB }, bytes)
    expect(layerAbove(layerOf(shape, bytes), 2, 2, sha256)).toEqual(long)
  })

  test("does not take more hashes than it has places", () => {
    expect(() => rootOf(madeUp(3), 1, 0, sha256)).toThrow(InvariantViolation)
    expect(() => rootOf(new Uint8Array(33), 1, 0, sha256)).toThrow(InvariantViolation)
  })
})

test("pieces are powers of two of leaves", () => {
  const lengths = [1, 4e6, 8192, 16384, 32768, 49152, 2 ** 24, 3 * 2 ** 20]
  expect(lengths.filter(isSubtreeLength)).toEqual([16384, 32768, 2 ** 24])
})

test("a proof leads from its subtree to the root, and from nothing else", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 0, max: 3 }),
      fc.nat(),
      fc.nat(),
      (count, below, which, flipped) => {
        const hashes = madeUp(count)
        const levels = levelsAbove(count)
        const index = which % count
        const root = rootOf(hashes, levels, below, sha256)
        const proof = proofIn(hashes, levels, below, index, sha256)
        const own = hashAt(hashes, index)
        expect(climb(own, index, proof, sha256)).toEqual(root)
        const wrong = own.slice()
        wrong[flipped % hashBytes]! ^= 1
        expect(climb(wrong, index, proof, sha256)).not.toEqual(root)
        if (levels === 0) return
        expect(climb(own, index ^ 1, proof, sha256)).not.toEqual(root)
        proof[flipped % proof.length]! ^= 1
        expect(climb(own, index, proof, sha256)).not.toEqual(root)
      }
    )
  )
})
