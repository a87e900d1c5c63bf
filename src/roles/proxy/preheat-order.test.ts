// The forms of a preheat request: the order that each one means, and refusals of anything else.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { anyJson } from "../../../testing/roles/any-json.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { OciError } from "../oci/oci-error.ts"
import { makeMirrorNames } from "../upstream/mirror-names.ts"
import {
  formatImage,
  imageOfUrl,
  type PreheatImage,
  type PreheatOrder,
  parseDragonflyJob,
  parseImage,
  parsePreheat
} from "./preheat-order.ts"

const digest = `sha256:${"ab".repeat(32)}` as Digest
const byTag = (name: string) => ({ tag: "Tag", name })

const refusal = (value: PreheatOrder | PreheatImage | OciError): string => {
  expect(value).toBeInstanceOf(OciError)
  const { status, message } = value as OciError
  expect(status).toBe(400)
  return message
}

describe("an image's name", () => {
  it.each([
    ["demo/app:1", "demo/app", byTag("1")],
    ["demo/app", "demo/app", byTag("latest")],
    ["a/b/c/d:v1.2_3", "a/b/c/d", byTag("v1.2_3")],
    [`demo/app@${digest}`, "demo/app", { tag: "Digest", digest }],
    [`demo/app:1@${digest}`, "demo/app", { tag: "Digest", digest }]
  ])("%s", (text, repository, reference) => {
    expect(parseImage(text)).toEqual({ repository, reference })
  })

  it.each([
    "",
    ":1",
    "demo/app:",
    "localhost:15000/demo/app:1",
    "Demo/app",
    "demo/app@sha256:1",
    "http://x/y"
  ])("%s is refused", (text) => {
    refusal(parseImage(text))
  })

  it("may begin with a mirrored registry, as clients write it", () => {
    const { prefixOf } = makeMirrorNames([
      { name: "registry.example:5000", aliases: ["hub.example"] },
      { name: "[::1]:5000", aliases: [] }
    ])
    for (const [text, repository] of [
      ["registry.example:5000/team/app:1", "registry.example__5000/team/app"],
      ["registry.example__5000/team/app:1", "registry.example__5000/team/app"],
      ["hub.example/team/app:1", "registry.example__5000/team/app"],
      ["[::1]:5000/app:1", "0_0_0_0_0_0_0_1__5000/app"],
      ["demo/app:1", "demo/app"]
    ] as const) {
      expect(parsePreheat({ image: text }, prefixOf)).toMatchObject({ repository, reference: byTag("1") })
    }
    refusal(parsePreheat({ image: "other.example:5000/team/app:1" }, prefixOf))
  })

  it("is parsed back to what was formatted", () => {
    const component = fc.stringMatching(/^[a-z0-9]{1,8}$/)
    const repository = fc.array(component, { minLength: 1, maxLength: 5 }).map((all) => all.join("/"))
    const reference = fc.oneof(
      fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}$/).map((name) => ({ tag: "Tag" as const, name })),
      fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => ({
        tag: "Digest" as const,
        digest: `sha256:${hex}` as Digest
      }))
    )
    fc.assert(
      fc.property(repository, reference, (name, referred) => {
        const image = { repository: name, reference: referred }
        expect(parseImage(formatImage(image))).toEqual(image)
        const path = referred.tag === "Tag" ? referred.name : referred.digest
        expect(imageOfUrl(`https://harbor.example:8443/v2/${name}/manifests/${path}?x=1`)).toEqual(image)
      })
    )
  })
})

describe("the plain form", () => {
  it("has image, platforms and scope", () => {
    expect(
      parsePreheat({
        image: "demo/app:1",
        platforms: ["linux/amd64", "linux/arm64/v8"],
        scope: { kind: "zone", zone: "rack-1" }
      })
    ).toEqual({
      repository: "demo/app",
      reference: byTag("1"),
      platforms: ["linux/amd64", "linux/arm64/v8"],
      scope: { kind: "zone", zone: "rack-1" }
    })
    expect(parsePreheat({ image: "demo/app" })).toMatchObject({ platforms: [], scope: undefined })
  })

  it.each([
    [{ image: "demo/app:1", platform: "linux/amd64" }, /platform/],
    [{ image: "demo/app:1", platforms: ["amd64"] }, /platforms/],
    [{ image: "demo/app:1", scope: { kind: "count", count: 0 } }, /count/],
    [{ image: "demo/app:1", scope: { kind: "zone", zone: "a b" } }, /zone/],
    [{ image: "demo/app:1", scope: "all" }, /scope/],
    [{ scope: { kind: "all" } }, /image/],
    [null, /preheat/],
    [[], /preheat/]
  ])("%j is refused with the reason", (body, why) => {
    expect(refusal(parsePreheat(body))).toMatch(why)
  })
})

describe("Harbor's form", () => {
  // The form that Harbor's preheat drivers send.
  const image = {
    type: "image",
    url: "https://harbor.example/v2/library/redis/manifests/7",
    headers: { Authorization: "Bearer secret" },
    image: "library/redis",
    tag: "7",
    digest: "",
    scope: "all_peers",
    extra_attrs: { cluster_ids: [1] }
  }

  it("names an image by name, or by its URL alone; credentials are dropped", () => {
    const order = {
      repository: "library/redis",
      reference: byTag("7"),
      platforms: [],
      scope: { kind: "all" }
    }
    expect(parsePreheat(image)).toEqual(order)
    expect(parsePreheat({ ...image, image: "", tag: "" })).toEqual(order)
    expect(parsePreheat({ ...image, digest })).toMatchObject({ reference: { tag: "Digest", digest } })
    const { type, image: name, url } = image
    expect(parsePreheat({ type, image: name })).toMatchObject({ reference: byTag("latest") })
    expect(parsePreheat({ type, image: name, digest })).toMatchObject({
      repository: name,
      reference: { tag: "Digest", digest }
    })
    expect(parsePreheat({ type, url })).toEqual({ ...order, scope: undefined })
    refusal(parsePreheat({ type }))
  })

  it("is accepted as Dragonfly's job", () => {
    const args = { type: "image", url: image.url, headers: image.headers, tag: "", scope: "single_peer" }
    expect(parseDragonflyJob({ type: "preheat", args, scheduler_cluster_ids: [1] })).toEqual({
      repository: "library/redis",
      reference: byTag("7"),
      platforms: [],
      scope: { kind: "count", count: 1 }
    })
    const seeds = { ...args, scope: "all_seed_peers", platform: "linux/arm64" }
    expect(parseDragonflyJob({ type: "preheat", args: seeds })).toMatchObject({
      platforms: ["linux/arm64"],
      scope: { kind: "none" }
    })
    refusal(parseDragonflyJob({ type: "preheat", args: { ...args, type: "file" } }))
    refusal(parseDragonflyJob({ type: "preheat", args: { ...args, url: "https://harbor.example/x.tar" } }))
    refusal(parseDragonflyJob({ type: "sync_peers" }))
  })
})

it("anything else is refused, and the result contains only names of the cluster", () => {
  const key = fc.constantFrom("image", "type", "args", "url", "scope", "platforms", "kind", "tag", "digest")
  const value = fc.constantFrom("image", "preheat", "demo/app:1", "all", "count", "../../x", 1, null)
  const anything = anyJson(key, value, 3)
  fc.assert(
    fc.property(anything, (json) => {
      for (const order of [parsePreheat(json), parseDragonflyJob(json)]) {
        if (order instanceof OciError) expect(order.status).toBe(400)
        else expect(parseImage(formatImage(order))).toMatchObject({ repository: order.repository })
      }
    }),
    { numRuns: 2000 }
  )
})
