// Checks that the paths between roles have one reading each, and that nothing a client sends makes their parsers throw.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Digest } from "../../protocol/wire/digest.ts"
import { OciError } from "../oci/oci-error.ts"
import { type BlobEndpoint, formatBlobPath, parseBlobPath } from "./blob-path.ts"

const digest = fc.constantFrom(`sha256:${"ab".repeat(32)}` as Digest, `sha512:${"cd".repeat(64)}` as Digest)
const repository = fc
  .array(fc.stringMatching(/^[a-z0-9]{1,8}$/), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join("/"))
// A namespace is whatever a role calls it: slashes, percent signs, letters beyond ASCII.
const namespace = fc.oneof(repository, fc.string({ minLength: 1, maxLength: 40, unit: "grapheme" }))

const blobEndpoint: fc.Arbitrary<BlobEndpoint> = fc.oneof(
  fc.record({ tag: fc.constantFrom("Blob" as const, "Metainfo" as const), namespace, digest }),
  fc.constant({ tag: "Peer" } as const),
  fc.record({ tag: fc.constantFrom("Copy" as const, "OwnMetainfo" as const), digest })
)

describe("the paths between roles", () => {
  it("are read back as what they were written for", () => {
    fc.assert(
      fc.property(blobEndpoint, (endpoint) => {
        expect(parseBlobPath(formatBlobPath(endpoint))).toEqual(endpoint)
      })
    )
  })

  it("are parsed or refused, whatever the text", () => {
    const text = fc.oneof(
      fc.string(),
      fc
        .array(fc.constantFrom("namespace", "internal", "blobs", "metainfo", "%", "", "a"))
        .map((parts) => `/${parts.join("/")}`)
    )
    fc.assert(
      fc.property(text, (url) => {
        const parsed = parseBlobPath(url)
        expect(parsed instanceof OciError ? parsed.status : 400).toBeGreaterThanOrEqual(400)
      })
    )
  })
})
