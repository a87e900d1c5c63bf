// The contents of a repository that its rules let go, and those that a kept manifest keeps.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { KeptManifest } from "../client/build-index-records.ts"
import { retentionRule } from "./config.ts"
import { planRetention, type RepositoryContent } from "./retention.ts"

type RuleSettings = Parameters<typeof retentionRule>[0]

const digest = (number: number) => `sha256:${number.toString(16).padStart(64, "0")}` as Digest
const manifest = (number: number, more: Partial<KeptManifest> = {}): KeptManifest => ({
  digest: digest(number),
  mediaType: "application/x",
  size: 7,
  names: [],
  putAt: 0,
  ...more
})
const tag = (name: string, of: number, version = of) => ({ name, digest: digest(of), version })
const link = (number: number, at = 0) => ({ digest: digest(number), size: 100, at })

const day = 24 * 3600
const now = 100 * day * 1000

const plan = (
  content: Partial<RepositoryContent>,
  rules: ReadonlyArray<RuleSettings> = [],
  isImmutable = (_: string, name: string) => name.startsWith("fixed")
) =>
  planRetention(
    { name: "demo/app", tags: [], manifests: [], links: [], pulled: new Map(), ...content },
    { rules: rules.map((rule) => retentionRule(rule)), isImmutable, now, graceMillis: day * 1000 }
  )

describe("tags", () => {
  const tags = [tag("v1", 1), tag("v2", 2), tag("v3", 3), tag("nightly", 4), tag("fixed", 5, 0)]
  const gone = (rule: Omit<RuleSettings, "images">, images = "demo/*", pulled = new Map<Digest, number>()) =>
    plan({ tags, pulled }, [{ images, ...rule }]).tags.map(({ name }) => name)

  it("stay without a rule, or under one without conditions on tags, or for other repositories", () => {
    expect(plan({ tags }).tags).toEqual([])
    expect(gone({ untaggedOlderThan: 1 })).toEqual([])
    expect(gone({ keepLast: 1 }, "other/*")).toEqual([])
  })

  it("that moved last stay, and those that match, were pulled recently or are immutable", () => {
    expect(gone({ keepLast: 2 })).toEqual(["v2", "v1"])
    expect(gone({ keepMatching: ["v*"] })).toEqual(["nightly"])
    const pulled = new Map([
      [digest(1), now - day * 1000],
      [digest(2), now - 2 * day * 1000]
    ])
    expect(gone({ keepPulledWithin: day }, "demo/*", pulled)).toEqual(["nightly", "v3", "v2"])
    expect(gone({ keepLast: 1, keepMatching: ["v1"], keepPulledWithin: 2 * day }, "demo/*", pulled)).toEqual([
      "v3"
    ])
  })

  it("follow the first rule that matches them", () => {
    const rules = [
      { images: "demo/app:v*", keepLast: 1 },
      { images: "demo/*", keepMatching: ["none"] }
    ]
    expect(plan({ tags }, rules).tags.map(({ name, rule }) => [name, rule])).toEqual([
      ["v2", "demo/app:v*"],
      ["v1", "demo/app:v*"],
      ["nightly", "demo/*"]
    ])
  })
})

describe("manifests", () => {
  const rules = [{ images: "**", untaggedOlderThan: day }]
  const gone = (manifests: ReadonlyArray<KeptManifest>, tags: RepositoryContent["tags"], given = rules) =>
    plan({ manifests, tags }, given).manifests.map((found) => found.digest)

  it("without a tag go when they are older than a rule allows", () => {
    const young = manifest(2, { putAt: now - day * 1000 })
    expect(gone([manifest(1), young], [])).toEqual([digest(1)])
    expect(gone([manifest(1)], [], [])).toEqual([])
    expect(gone([manifest(1)], [], [{ images: "other", untaggedOlderThan: 1 }])).toEqual([])
  })

  it("stay while a tag reaches them: children of nested indexes, and referrers of a kept one", () => {
    const manifests = [
      manifest(1, { names: [digest(2)] }),
      manifest(2, { names: [digest(3)] }),
      manifest(3),
      manifest(4, { subject: digest(3) }),
      manifest(5, { subject: digest(4) }),
      manifest(6, { subject: digest(99) }),
      manifest(7, { subject: digest(6) })
    ]
    expect(gone(manifests, [tag("v1", 1)])).toEqual([digest(6), digest(7)])
    expect(gone(manifests, []).length).toBe(7)
  })

  it("that lose their last tag go with it", () => {
    const found = plan({ manifests: [manifest(1), manifest(2)], tags: [tag("v1", 1), tag("v2", 2)] }, [
      { images: "demo/app", keepLast: 1, untaggedOlderThan: day }
    ])
    expect([found.tags.map(({ name }) => name), found.manifests.map((one) => one.digest)]).toEqual([
      ["v1"],
      [digest(1)]
    ])
  })
})

describe("links", () => {
  it("that no manifest names go after the grace, and not before", () => {
    const manifests = [manifest(1, { names: [digest(11)] })]
    const links = [link(11), link(12), link(13, now - day * 1000 + 1)]
    const tags = [tag("v1", 1)]
    expect(plan({ manifests, tags, links }).links).toEqual([{ digest: digest(12), size: 100 }])
  })

  it("go with the last manifest that named them", () => {
    const manifests = [manifest(1, { names: [digest(11)] }), manifest(2, { names: [digest(11), digest(12)] })]
    const content = { manifests, links: [link(11), link(12)], tags: [tag("v1", 1)] }
    expect(plan(content, [{ images: "**", untaggedOlderThan: day }]).links.map((one) => one.digest)).toEqual([
      digest(12)
    ])
  })
})

describe("any repository", () => {
  it("loses nothing that a kept tag needs, and nothing within the grace", () => {
    const content = fc.record({
      names: fc.array(fc.array(fc.nat(11), { maxLength: 3 }), { minLength: 8, maxLength: 8 }),
      subjects: fc.array(fc.option(fc.nat(7), { nil: undefined }), { minLength: 8, maxLength: 8 }),
      tagged: fc.uniqueArray(fc.nat(7), { maxLength: 4 }),
      ages: fc.array(fc.nat(3), { minLength: 12, maxLength: 12 }),
      keepLast: fc.integer({ min: 1, max: 4 })
    })
    fc.assert(
      fc.property(content, ({ names, subjects, tagged, ages, keepLast }) => {
        const at = (index: number) => now - ages[index]! * day * 1000
        const manifests = names.map((named, index) => {
          const subject = subjects[index]
          return manifest(index, {
            names: named.map(digest),
            putAt: at(index),
            ...(subject === undefined ? {} : { subject: digest(subject) })
          })
        })
        const tags = tagged.map((index) => tag(`t${index}`, index))
        const links = [8, 9, 10, 11].map((index) => link(index, at(index)))
        const found = plan({ manifests, tags, links }, [{ images: "**", keepLast, untaggedOlderThan: day }])
        const gone = new Set([...found.manifests, ...found.links].map((one) => one.digest))
        const goneTags = new Set(found.tags.map(({ name }) => name))
        expect(tags.length - goneTags.size).toBe(Math.min(keepLast, tags.length))
        const need = (wanted: Digest, seen: Set<Digest>): void => {
          if (seen.has(wanted)) return
          seen.add(wanted)
          expect(gone.has(wanted), `${wanted} is needed`).toBe(false)
          const of = manifests.find((one) => one.digest === wanted)
          for (const named of of?.names ?? []) need(named, seen)
          for (const referrer of manifests)
            if (of !== undefined && referrer.subject === wanted) need(referrer.digest, seen)
        }
        const seen = new Set<Digest>()
        for (const { name, digest: of } of tags) if (!goneTags.has(name)) need(of, seen)
        for (const one of manifests) if (now - one.putAt <= day * 1000) need(one.digest, seen)
        for (const { digest: of, at: relied } of links)
          if (relied >= now - day * 1000) expect(gone.has(of)).toBe(false)
        // Unneeded content goes.
        for (const one of manifests) if (!seen.has(one.digest)) expect(gone.has(one.digest)).toBe(true)
      }),
      { numRuns: 500 }
    )
  })
})
