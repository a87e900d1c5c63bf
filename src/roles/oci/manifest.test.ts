// Tests of the manifest parser: what a manifest names, and that anything else is refused with a reason.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { ociLimits } from "./limits.ts"
import { bareMediaType, isManifestRefused, mediaTypes, parseManifest } from "./manifest.ts"

const digest = (letter: string) => `sha256:${letter.repeat(64)}`
const descriptor = (letter: string, extra: object = {}) => ({
  mediaType: "application/octet-stream",
  digest: digest(letter),
  size: 10,
  ...extra
})
const bytes = (document: unknown) => new TextEncoder().encode(JSON.stringify(document))

const image = {
  schemaVersion: 2,
  mediaType: mediaTypes.ociManifest,
  config: descriptor("a"),
  layers: [descriptor("b"), descriptor("c"), descriptor("b")]
}

const names = (document: unknown, contentType?: string) => {
  const parsed = parseManifest(bytes(document), contentType)
  if (isManifestRefused(parsed)) return parsed.reason
  return parsed.names.map(({ kind, digest }) => `${kind} ${digest.charAt(7)}`)
}

const refusal = (document: unknown, contentType?: string) => {
  const parsed = parseManifest(bytes(document), contentType)
  return isManifestRefused(parsed) ? parsed.reason : `taken as ${parsed.mediaType}`
}

describe("parseManifest", () => {
  it("names config and layers, each once, in order", () => {
    expect(names(image)).toEqual(["config a", "layer b", "layer c"])
  })

  it("names the children of an index, and of a nested or empty one", () => {
    const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [descriptor("d")] }
    expect(names(index)).toEqual(["manifest d"])
    expect(names({ ...index, manifests: [] })).toEqual([])
  })

  it("does not require content stored elsewhere: urls, non-distributable and foreign layers", () => {
    const layers = [
      descriptor("b", { urls: ["https://elsewhere.example/layer"] }),
      descriptor("c", { mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip" }),
      descriptor("d", { mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" }),
      descriptor("e", { urls: [] })
    ]
    expect(names({ ...image, layers })).toEqual(["config a", "layer e"])
  })

  it("gives the subject without requiring it", () => {
    const parsed = parseManifest(bytes({ ...image, subject: descriptor("f") }), undefined)
    expect(parsed).toMatchObject({ subject: digest("f") })
    expect(names({ ...image, subject: descriptor("f") })).not.toContain("manifest f")
  })

  it("accepts an artifact without layers, null lists, unknown fields and inline data", () => {
    expect(
      names({ ...image, layers: null, artifactType: "x/y", config: descriptor("a", { data: "e30=" }) })
    ).toEqual(["config a"])
  })

  it("gives size and media type of what it names, and artifact type and text annotations", () => {
    const parsed = parseManifest(
      bytes({
        ...image,
        config: descriptor("a", { mediaType: "application/x.config", size: 7 }),
        layers: [{ digest: digest("b"), size: 0 }],
        blobs: [descriptor("c")],
        annotations: { text: "a", number: 1 }
      }),
      undefined
    )
    expect(parsed).toEqual({
      mediaType: mediaTypes.ociManifest,
      names: [
        { kind: "config", digest: digest("a"), size: 7, mediaType: "application/x.config" },
        { kind: "layer", digest: digest("b"), size: 0, mediaType: "" },
        { kind: "layer", digest: digest("c"), size: 10, mediaType: "application/octet-stream" }
      ],
      subject: undefined,
      artifactType: "application/x.config",
      annotations: { text: "a" }
    })
  })

  it.each([
    [{ artifactType: "x/y" }, "x/y"],
    [{ artifactType: "" }, "application/octet-stream"],
    [{ artifactType: null }, "application/octet-stream"],
    [{ config: descriptor("a", { mediaType: "" }) }, undefined],
    [{ config: { digest: digest("a"), size: 1 } }, undefined],
    [{ config: null }, undefined]
  ])("with %j has the artifact type %s", (more, artifactType) => {
    expect(parseManifest(bytes({ ...image, ...more }), undefined)).toMatchObject({ artifactType })
  })

  it.each([{ annotations: {} }, { annotations: { number: 1 } }, { annotations: null }, {}])(
    "has no annotations with %j",
    (more) => {
      expect(parseManifest(bytes({ ...image, ...more }), undefined)).toMatchObject({ annotations: undefined })
    }
  )

  it("accepts as many names as the limit, and no more", () => {
    const layers = (count: number) =>
      Array.from({ length: count }, (_, index) => ({
        digest: `sha256:${index.toString(16).padStart(64, "0")}`,
        size: 1
      }))
    const most = { ...image, config: null, layers: layers(ociLimits.maxManifestNames) }
    expect(names(most)).toHaveLength(ociLimits.maxManifestNames)
    expect(refusal({ ...most, layers: layers(ociLimits.maxManifestNames + 1) })).toMatch(
      /names 10001 .* 10000/
    )
  })

  it("requires schemaVersion 2 of the known types only", () => {
    expect(refusal({ ...image, schemaVersion: undefined })).toMatch(/schemaVersion is missing/)
    expect(refusal({ mediaType: "application/x.other" })).toBe("taken as application/x.other")
  })

  it.each([
    [undefined, undefined],
    ["", undefined],
    [" ; charset=utf-8", undefined],
    ["application/json; charset=utf-8", undefined],
    ["application/octet-stream", undefined],
    [" a/b ;c=d;e=f", "a/b"]
  ])("reads the Content-Type %s as %s", (header, type) => {
    expect(bareMediaType(header)).toBe(type)
  })

  it("takes the media type from the header, or else the document, or else the structure", () => {
    const { mediaType: _, ...bare } = image
    expect(refusal(bare, `${mediaTypes.dockerManifest}; charset=utf-8`)).toBe(
      `taken as ${mediaTypes.dockerManifest}`
    )
    expect(refusal(image, "application/octet-stream")).toBe(`taken as ${mediaTypes.ociManifest}`)
    expect(refusal(bare)).toBe(`taken as ${mediaTypes.ociManifest}`)
    expect(refusal({ schemaVersion: 2, manifests: [] })).toBe(`taken as ${mediaTypes.ociIndex}`)
    expect(refusal({ schemaVersion: 2, config: descriptor("a") })).toBe(`taken as ${mediaTypes.ociManifest}`)
    expect(refusal({ schemaVersion: 2, layers: [] })).toBe(`taken as ${mediaTypes.ociManifest}`)
    expect(refusal({ ...bare, manifests: [] })).toBe(`taken as ${mediaTypes.ociIndex}`)
    expect(refusal(image, mediaTypes.ociManifest)).toBe(`taken as ${mediaTypes.ociManifest}`)
  })

  it.each([
    [[], undefined, /not an object/],
    ["text", undefined, /not an object/],
    [{ schemaVersion: 2 }, undefined, /no media type/],
    [null, undefined, /not an object/],
    [{ ...image, mediaType: "nonsense" }, undefined, /"nonsense" is not a type and a subtype/],
    [{ ...image, mediaType: `a/${"b".repeat(128)}` }, undefined, /is not a type and a subtype/],
    [{ ...image, layers: [{ ...descriptor("b"), size: 1.5 }] }, undefined, /malformed/],
    [{ ...image, layers: [{ ...descriptor("b"), urls: [1] }] }, undefined, /malformed/],
    [image, mediaTypes.ociIndex, /Content-Type is .*index.* but/],
    [{ ...image, schemaVersion: 1 }, undefined, /schemaVersion is 1/],
    [{ ...image, config: { ...descriptor("a"), digest: "sha256:short" } }, undefined, /malformed: .*digest/],
    [{ ...image, layers: [{ ...descriptor("b"), size: -1 }] }, undefined, /malformed/],
    [{ ...image, layers: "none" }, undefined, /malformed/],
    [{}, "application/vnd.docker.distribution.manifest.v1+prettyjws", /schema 1/]
  ])("refuses %j", (document, contentType, reason) => {
    expect(refusal(document, contentType)).toMatch(reason)
  })

  it("refuses bytes that are not JSON in UTF-8, and never throws", () => {
    expect(parseManifest(new Uint8Array([0xff, 0xfe]), undefined)).toMatchObject({ tag: "ManifestRefused" })
    fc.assert(
      fc.property(
        fc.oneof(fc.json(), fc.string()),
        fc.option(fc.string(), { nil: undefined }),
        (text, type) => {
          parseManifest(new TextEncoder().encode(text), type)
        }
      )
    )
  })
})
