// Tests of registry paths: every path has one endpoint, whatever the repository's name, and each kind of malformed
// name has its own error.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Digest } from "../../protocol/wire/digest.ts"
import { OciError } from "./oci-error.ts"
import { formatRegistryPath, parseRegistryPath, type RegistryEndpoint } from "./repository-path.ts"

const sha256 = `sha256:${"ab".repeat(32)}` as Digest
const sha512 = `sha512:${"cd".repeat(64)}` as Digest

// Favours components that a careless parser takes for a keyword.
const component = fc.oneof(
  fc.constantFrom("blobs", "manifests", "uploads", "tags", "list", "v2", "referrers", "history"),
  fc.stringMatching(/^[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}$/)
)
const repository = fc.array(component, { minLength: 1, maxLength: 6 }).map((parts) => parts.join("/"))
const tag = fc.oneof(
  fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}$/),
  fc.constantFrom("blobs", "manifests", "uploads", "tags", "referrers", "history", "_shoal")
)
const digest = fc.constantFrom(sha256, sha512)
const upload = fc.stringMatching(/^[a-zA-Z0-9-]{1,40}$/)

const endpoint: fc.Arbitrary<RegistryEndpoint> = fc.oneof(
  fc.constant({ tag: "Base" } as const),
  fc.constant({ tag: "Catalog" } as const),
  fc.record({
    tag: fc.constant("Manifest" as const),
    repository,
    reference: fc.oneof(
      fc.record({ tag: fc.constant("Tag" as const), name: tag }),
      fc.record({ tag: fc.constant("Digest" as const), digest })
    )
  }),
  fc.record({ tag: fc.constant("Blob" as const), repository, digest }),
  fc.record({ tag: fc.constant("Uploads" as const), repository }),
  fc.record({ tag: fc.constant("Upload" as const), repository, upload }),
  fc.record({ tag: fc.constant("Tags" as const), repository }),
  fc.record({ tag: fc.constant("Referrers" as const), repository, digest }),
  fc.record({ tag: fc.constant("History" as const), repository, name: tag })
)

const segment = fc.oneof(
  component,
  fc.string({ maxLength: 5 }),
  fc.constantFrom("", "..", "%2F", "%", sha256)
)

const refusal = (path: string): string => {
  const parsed = parseRegistryPath(path)
  return parsed instanceof OciError ? `${parsed.status} ${parsed.code}` : parsed.tag
}

describe("parseRegistryPath", () => {
  it("parses every path that formatRegistryPath makes into the same endpoint", () => {
    fc.assert(
      fc.property(endpoint, (original) => {
        expect(parseRegistryPath(formatRegistryPath(original))).toEqual(original)
      }),
      { numRuns: 2000 }
    )
  })

  it("gives an endpoint or an error for any text, and never throws", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(segment).map((parts) => parts.join("/"))
        ),
        (text) => {
          const parsed = parseRegistryPath(`/v2/${text}`)
          expect(parsed instanceof OciError || typeof parsed.tag === "string").toBe(true)
        }
      )
    )
  })

  it("ignores the query and decodes percent-encoding", () => {
    expect(parseRegistryPath(`/v2/a/b/blobs/${encodeURIComponent(sha256)}?ns=docker.io`)).toEqual({
      tag: "Blob",
      repository: "a/b",
      digest: sha256
    })
    expect(parseRegistryPath("/v2/a/blobs/uploads?mount=x")).toEqual({ tag: "Uploads", repository: "a" })
  })

  it.each([
    ["/v2/UPPER/manifests/1", "400 NAME_INVALID"],
    ["/v2/a//b/manifests/1", "400 NAME_INVALID"],
    ["/v2/-a/manifests/1", "400 NAME_INVALID"],
    ["/v2/a..b/tags/list", "400 NAME_INVALID"],
    ["/v2/a___b/tags/list", "400 NAME_INVALID"],
    [`/v2/${"a".repeat(256)}/tags/list`, "400 NAME_INVALID"],
    [`/v2//blobs/${sha256}`, "400 NAME_INVALID"],
    [`/v2/../../etc/blobs/${sha256}`, "400 NAME_INVALID"],
    ["/v2/a/manifests/sha256:baddigeststring", "400 DIGEST_INVALID"],
    ["/v2/a/manifests/md5:d41d8cd98f00b204e9800998ecf8427e", "400 DIGEST_INVALID"],
    [`/v2/a/blobs/${sha256.toUpperCase()}`, "400 DIGEST_INVALID"],
    ["/v2/a/blobs/nothing", "400 DIGEST_INVALID"],
    ["/v2/a/manifests/.hidden", "400 TAG_INVALID"],
    [`/v2/a/manifests/${"t".repeat(129)}`, "400 TAG_INVALID"],
    ["/v2/a/referrers/x", "400 DIGEST_INVALID"],
    ["/v2/a/_shoal/tags/.x/history", "400 TAG_INVALID"],
    ["/v2/a/_shoal/tags/x/past", "404 UNSUPPORTED"],
    ["/v2/a/_shoal/manifests/x", "400 NAME_INVALID"],
    ["/v2/a", "404 UNSUPPORTED"],
    ["/v3/a/tags/list", "404 UNSUPPORTED"],
    ["/v2/a/tags/lists", "404 UNSUPPORTED"],
    ["/v2/a/tag/list", "404 UNSUPPORTED"],
    ["/v2/a/blobs/upload/x", "404 UNSUPPORTED"],
    ["/v2/a/blob/uploads/x", "404 UNSUPPORTED"],
    ["/v2/a/_other/tags/x/history", "404 UNSUPPORTED"],
    ["/v2/a/_shoal/tag/x/history", "404 UNSUPPORTED"],
    ["/v2/_catalogs", "404 UNSUPPORTED"],
    ["/v2/a/manifests/", "400 TAG_INVALID"],
    ["/v2/a/blobs/uploads/x/y", "404 UNSUPPORTED"],
    ["/v2/tags/list", "400 NAME_INVALID"],
    ["/v2/", "Base"],
    ["/v2", "Base"],
    ["/v2/a/blobs/uploads/", "Uploads"],
    ["/v2/a/blobs/uploads", "Uploads"],
    [`/v2/${"a".repeat(255)}/tags/list`, "Tags"],
    [`/v2/a/manifests/${"t".repeat(128)}`, "Manifest"],
    ["/v2/%E0%A4%A/manifests/1", "400 NAME_INVALID"]
  ])("refuses %s with %s", (path, answer) => {
    expect(refusal(path)).toBe(answer)
  })

  it("gives an error with at most 300 characters of a long path", () => {
    const long = "X".repeat(400)
    for (const path of [`/v2/${long}/tags/list`, `/v2/a/manifests/!${long}`, `/v2/a/blobs/${long}`]) {
      const { message, detail } = parseRegistryPath(path) as OciError
      expect(message).toContain("X".repeat(299))
      expect(message).not.toContain("X".repeat(301))
      expect(Object.values(detail as Record<string, string>).map(({ length }) => length)).toEqual([300])
    }
    expect((parseRegistryPath(`/v1/${long}`) as OciError).message).not.toContain("X".repeat(301))
  })

  it("parses a name of many repeated separators in linear time", () => {
    expect(refusal(`/v2/a${"-".repeat(250)}!/tags/list`)).toBe("400 NAME_INVALID")
    expect(refusal(`/v2/${"a-".repeat(120)}a/tags/list`)).toBe("Tags")
  })
})
