// The layout of a store on disk stays, because a later version finds there what an earlier one wrote.

import { expect, test } from "vitest"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { SwarmId } from "../../protocol/wire/message.ts"
import { blobFolders } from "./blob-folders.ts"

test("every kind of file has a folder, sharded by two digits where there are many", () => {
  const hex = `abcd${"0".repeat(60)}`
  const digest = `sha256:${hex}` as Digest
  const long = `sha512:${hex}${hex}` as Digest
  const { root, blobs, downloads, swarms, uploads, temporary, ...paths } = blobFolders("/data")
  expect({ root, blobs, downloads, swarms, uploads, temporary }).toEqual({
    root: "/data",
    blobs: "/data/blobs",
    downloads: "/data/downloads",
    swarms: "/data/swarms",
    uploads: "/data/uploads",
    temporary: "/data/temporary"
  })
  expect(paths.blob(digest)).toBe(`/data/blobs/sha256/ab/${hex}`)
  expect(paths.blob(long)).toBe(`/data/blobs/sha512/ab/${hex}${hex}`)
  expect(paths.download(digest)).toBe(`/data/downloads/sha256/ab/${hex}`)
  expect(paths.pieces(digest)).toBe(`/data/pieces/sha256/ab/${hex}`)
  expect(paths.metainfo(digest)).toBe(`/data/metainfo/sha256/ab/${hex}`)
  expect(paths.swarm(hex as SwarmId)).toBe(`/data/swarms/ab/${hex}`)
  expect(paths.upload("7")).toBe("/data/uploads/7")
})
