// Tests of the updates of a resolution cache: their outcome, the rows that they write, and the entries after them. Any
// history of them is tested against a model in resolution-cache.test.ts.

import { describe, expect, it } from "vitest"
import { seconds } from "../../protocol/kit/time.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { TagAnswer } from "../client/build-index-records.ts"
import { agentLimits } from "./limits.ts"
import { RecentMap } from "./recent-map.ts"
import { type CacheUpdate, ResolutionCache } from "./resolution-cache.ts"

const digest = (number: number) => `sha256:${number.toString(16).padStart(64, "0")}` as Digest
const repository = "demo/app"
const content = { mediaType: "application/x", size: 7 }
const told = { epoch: "e", deletions: 0 }

const version = (number: number, more: Partial<TagAnswer> = {}): TagAnswer => ({
  ...{ ...content, ...told, digest: digest(number), version: number, changedAt: 0, names: [] },
  ...more
})
const manifest = (number: number, more: object = {}) => ({
  ...{ ...content, ...told, digest: digest(number), names: [] as ReadonlyArray<Digest>, putAt: 0 },
  ...more
})

const makeCache = (limits: Partial<typeof agentLimits> = {}) =>
  new ResolutionCache({ ...agentLimits, confirmationNotePause: seconds(60), ...limits })

/** Applies an update; its outcome, and the rows that it puts and deletes by table and name. */
const done = ({ outcome, writes, apply }: CacheUpdate) => {
  apply()
  return [
    outcome,
    ...writes.map(({ tag, table, key }) => {
      const name = key.slice(key.lastIndexOf(" ") + 1).replace(/^sha256:0*/, "")
      return `${tag} ${table.replace("facts-", "")} ${name}`
    })
  ]
}

describe("an update of a tag", () => {
  it("with a version stores the tag and its manifest, or the tag alone if the manifest is known", () => {
    const cache = makeCache()
    expect(done(cache.updateTag(repository, "a", version(1), 10))).toEqual([
      "changed",
      "Put tags a",
      "Put manifests 1"
    ])
    expect(done(cache.updateTag(repository, "b", version(1), 20))).toEqual(["changed", "Put tags b"])
    expect(cache.tag(repository, "a", 25)).toMatchObject({
      age: 15,
      value: { manifest: { digest: digest(1) } }
    })
    expect(cache.manifest(repository, digest(1), 25)).toMatchObject({ age: 5, value: content })
  })

  it("with an older question or a lower version is ignored, with the same ones it is not", () => {
    const cache = makeCache()
    done(cache.updateTag(repository, "a", version(5), 10))
    expect(done(cache.updateTag(repository, "a", version(6), 9))).toEqual(["older"])
    expect(done(cache.updateTag(repository, "a", version(4), 11))).toEqual(["older"])
    expect(done(cache.updateTag(repository, "a", version(5), 10))).toEqual(["changed", "Put tags a"])
    expect(done(cache.updateTag(repository, "a", version(4, { epoch: "f" }), 10))[0]).toBe("changed")
    expect(cache.tag(repository, "a", 10)?.value.version).toBe(4)
  })

  it("keeps the upstream's age, until an answer has none", () => {
    const cache = makeCache()
    done(cache.updateTag(repository, "a", version(1, { age: 9 }), 10))
    expect(cache.tag(repository, "a", 10)?.value.upstreamAge).toBe(9)
    done(cache.updateTag(repository, "a", version(1), 11))
    expect(cache.tag(repository, "a", 11)?.value).not.toHaveProperty("upstreamAge")
  })

  it("without a change is stored once a minute", () => {
    const cache = makeCache()
    expect(done(cache.updateTag(repository, "a", "same", 5))).toEqual(["same"])
    expect(cache.sizes().tags).toBe(0)
    done(cache.updateTag(repository, "a", version(1), 10))
    expect(done(cache.updateTag(repository, "a", "same", 9))).toEqual(["same"])
    expect(cache.tag(repository, "a", 20)?.age).toBe(10)
    expect(done(cache.updateTag(repository, "a", "same", 60_009))).toEqual(["same"])
    expect(cache.tag(repository, "a", 60_009)?.age).toBe(0)
    expect(done(cache.updateTag(repository, "a", "same", 60_010))).toEqual(["same", "Put tags a"])
    expect(done(cache.updateTag(repository, "a", "same", 120_009))).toEqual(["same"])
  })

  it("to gone is stored once, and is ignored unless its question came after the entry arrived", () => {
    const cache = makeCache()
    expect(done(cache.updateTag(repository, "a", "gone", 5))).toEqual(["gone"])
    done(cache.updateTag(repository, "a", version(5), 10, 20))
    expect(done(cache.updateTag(repository, "a", "gone", 9))).toEqual(["gone"])
    expect(done(cache.updateTag(repository, "a", "gone", 19))).toEqual(["older"])
    expect(cache.tag(repository, "a", 20)?.value.manifest).toBeDefined()
    expect(done(cache.updateTag(repository, "a", "gone", 20))).toEqual(["gone", "Put tags a"])
    expect(cache.tag(repository, "a", 30)).toMatchObject({ age: 10, value: { version: 5 } })
    expect(cache.tag(repository, "a", 30)?.value.manifest).toBeUndefined()
    expect(done(cache.updateTag(repository, "a", "gone", 40))).toEqual(["gone"])
    expect(cache.tag(repository, "a", 50)?.age).toBe(10)
    expect(done(cache.updateTag(repository, "a", "same", 60))).toEqual(["same"])
    expect(done(cache.updateTag(repository, "a", version(5), 70))).toEqual(["older"])
    expect(done(cache.updateTag(repository, "a", version(6), 70))[0]).toBe("changed")
  })

  it("beyond the limit deletes the row of the tag that was used least recently", () => {
    const cache = makeCache({ maxRememberedTags: 2, maxRememberedManifests: 2 })
    done(cache.updateTag(repository, "a", version(1), 1))
    done(cache.updateTag(repository, "b", version(2), 2))
    cache.tag(repository, "a", 3)
    expect(done(cache.updateTag(repository, "c", version(3), 4))).toEqual([
      ...["changed", "Put tags c", "Delete tags b"],
      ...["Put manifests 3", "Delete manifests 1"]
    ])
    expect(done(cache.updateTag(repository, "c", version(4), 5))).toEqual([
      ...["changed", "Put tags c"],
      ...["Put manifests 4", "Delete manifests 2"]
    ])
    expect(cache.sizes()).toEqual({ tags: 2, manifests: 2, blobs: 0 })
  })
})

describe("an update of a manifest", () => {
  it("is stored if its media type or its missing content changed, and confirmed otherwise", () => {
    const cache = makeCache()
    const update = (more: object, at: number) =>
      done(cache.updateManifest(repository, digest(1), manifest(1, more), at))
    expect(update({}, 10)).toEqual(["changed", "Put manifests 1"])
    expect(update({}, 20)).toEqual(["same"])
    expect(cache.manifest(repository, digest(1), 25)?.age).toBe(5)
    expect(update({}, 19)).toEqual(["older"])
    expect(update({ mediaType: "application/y" }, 30)).toEqual(["changed", "Put manifests 1"])
    const missing = { mediaType: "application/y", names: [digest(2)], missing: [digest(2)] }
    expect(update(missing, 40)).toEqual(["changed", "Put manifests 1"])
    expect(update(missing, 50)).toEqual(["same"])
    expect(cache.blob(repository, digest(2), 50)?.value.gone).toBe(true)
  })

  it("to gone deletes its row, if there is one and the answer is not older", () => {
    const cache = makeCache()
    expect(done(cache.updateManifest(repository, digest(1), "gone", 5))).toEqual(["gone"])
    done(cache.updateManifest(repository, digest(1), manifest(1), 10))
    expect(done(cache.updateManifest(repository, digest(1), "gone", 9))).toEqual(["older"])
    expect(done(cache.updateManifest(repository, digest(1), "gone", 10))).toEqual([
      "gone",
      "Delete manifests 1"
    ])
    expect(cache.manifest(repository, digest(1), 10)).toBeUndefined()
  })

  it("deletes the row of a blob that was gone and is named again", () => {
    const cache = makeCache()
    const named = manifest(1, { names: [digest(2), digest(3)] })
    expect(done(cache.updateManifest(repository, digest(1), named, 10))).toEqual([
      "changed",
      "Put manifests 1"
    ])
    done(cache.updateBlob(repository, digest(2), "gone", 20))
    done(cache.updateBlob(repository, digest(3), "gone", 20))
    const again = manifest(4, { names: [digest(2), digest(3)], missing: [digest(3)], deletions: 1 })
    expect(done(cache.updateManifest(repository, digest(4), again, 30))).toEqual([
      ...["changed", "Put manifests 4", "Delete blobs 2"]
    ])
    expect(cache.blob(repository, digest(2), 30)?.value.gone).toBeUndefined()
    expect(cache.blob(repository, digest(3), 30)?.value.gone).toBe(true)
  })
})

describe("a manifest that names a blob", () => {
  it("does not revive it by an answer that knows fewer deletions, or as many and was asked before", () => {
    const cache = makeCache()
    const name = (deletions: number, at: number) => {
      done(cache.updateManifest(repository, digest(at), manifest(at, { names: [digest(2)], deletions }), at))
      return cache.blob(repository, digest(2), 100)?.value.gone
    }
    expect(name(1, 10)).toBeUndefined()
    done(cache.updateBlob(repository, digest(2), "gone", 30))
    expect([name(0, 40), name(1, 29), name(1, 30)]).toEqual([true, true, undefined])
  })
})

describe("an update of a blob", () => {
  it("is stored if it is new or back, and confirmed otherwise", () => {
    const cache = makeCache()
    const update = (answer: typeof told | "gone", at: number) =>
      done(cache.updateBlob(repository, digest(1), answer, at))
    expect(update("gone", 5)).toEqual(["gone"])
    expect(update(told, 10)).toEqual(["changed", "Put blobs 1"])
    expect(update(told, 20)).toEqual(["same"])
    expect(cache.blob(repository, digest(1), 25)?.age).toBe(5)
    expect(update(told, 19)).toEqual(["older"])
    expect(update("gone", 19)).toEqual(["older"])
    expect(update("gone", 30)).toEqual(["gone", "Put blobs 1"])
    expect(update("gone", 40)).toEqual(["gone"])
    expect(update({ epoch: "e", deletions: 1 }, 50)).toEqual(["changed", "Put blobs 1"])
    expect(update({ epoch: "e", deletions: 0 }, 60)).toEqual(["older"])
    expect(update({ epoch: "e", deletions: 2 }, 45)).toEqual(["same"])
    expect(update({ epoch: "f", deletions: 0 }, 44)).toEqual(["older"])
    expect(update({ epoch: "f", deletions: 0 }, 45)).toEqual(["same"])
  })

  it("beyond the limit deletes the oldest row of a blob", () => {
    const cache = makeCache({ maxRememberedBlobs: 2 })
    for (const number of [1, 2]) done(cache.updateBlob(repository, digest(number), told, number))
    expect(done(cache.updateBlob(repository, digest(3), told, 3))).toEqual([
      ...["changed", "Put blobs 3", "Delete blobs 1"]
    ])
    expect(done(cache.updateBlob(repository, digest(3), "gone", 4))).toEqual(["gone", "Put blobs 3"])
  })
})

describe("a repository", () => {
  it("confirms its manifests and blobs by each answer with the same deletions, but no tag", () => {
    const cache = makeCache()
    done(cache.updateTag(repository, "a", version(1, { names: [digest(9)] }), 10))
    done(cache.updateBlob(repository, digest(8), told, 20))
    const ages = (now: number) => [
      cache.tag(repository, "a", now)?.age,
      cache.manifest(repository, digest(1), now)?.age,
      cache.blob(repository, digest(9), now)?.age
    ]
    expect(ages(25)).toEqual([15, 5, 5])
    done(cache.updateBlob("demo/other", digest(8), told, 30))
    expect(ages(30)).toEqual([20, 10, 10])
    done(cache.updateBlob(repository, digest(8), { epoch: "e", deletions: 1 }, 40))
    expect(ages(40)).toEqual([30, 30, 30])
    done(cache.updateBlob(repository, digest(7), { epoch: "e", deletions: 0 }, 50))
    expect(ages(50)).toEqual([40, 40, 40])
    done(cache.updateBlob(repository, digest(6), { epoch: "e", deletions: 1 }, 35))
    done(cache.updateManifest(repository, digest(1), manifest(1, { deletions: 1 }), 60))
    done(cache.updateBlob(repository, digest(8), { epoch: "e", deletions: 1 }, 70))
    expect(ages(70)).toEqual([60, 0, 60])
    done(cache.updateBlob(repository, digest(6), { epoch: "e", deletions: 1 }, 65))
    expect(ages(70)).toEqual([60, 0, 60])
  })

  it("of a new epoch confirms entries of that epoch only, from its first answer on", () => {
    const cache = makeCache()
    done(cache.updateBlob(repository, digest(1), { epoch: "e", deletions: 5 }, 10))
    done(cache.updateBlob(repository, digest(2), { epoch: "f", deletions: 0 }, 9))
    expect(cache.blob(repository, digest(1), 20)?.age).toBe(10)
    expect(cache.blob(repository, digest(2), 20)?.age).toBe(11)
    done(cache.updateBlob(repository, digest(3), { epoch: "f", deletions: 0 }, 10))
    expect(cache.blob(repository, digest(2), 20)?.age).toBe(10)
    done(cache.updateBlob(repository, digest(3), { epoch: "f", deletions: 0 }, 15))
    expect(cache.blob(repository, digest(1), 20)?.age).toBe(10)
    expect(cache.blob(repository, digest(2), 20)?.age).toBe(5)
  })

  it("that was written to invalidates what was asked until then, and nothing later", () => {
    const cache = makeCache()
    done(cache.updateTag(repository, "a", version(1), 10))
    done(cache.updateTag("demo/other", "a", version(1), 10))
    cache.invalidate(repository, 10)
    cache.invalidate("demo/new", 10)
    const invalid = (name: string) => cache.tag(name, "a", 20)?.invalidated
    expect([invalid(repository), invalid("demo/other")]).toEqual([true, false])
    done(cache.updateTag("demo/new", "a", version(1), 10))
    expect(invalid("demo/new")).toBe(true)
    done(cache.updateTag("demo/new", "a", version(1), 11))
    expect(invalid("demo/new")).toBe(false)
  })
})

describe("rows of an earlier run", () => {
  it("are entries of their table, and the rows of blobs prevail over those of manifests", () => {
    const cache = makeCache()
    const row = { ...told, at: 10 }
    cache.restore("facts-manifests", [
      {
        key: `${repository} ${digest(1)}`,
        value: JSON.stringify({ ...row, ...manifest(1, { names: [digest(2)] }) })
      }
    ])
    cache.restore("facts-blobs", [
      { key: `${repository} ${digest(2)}`, value: JSON.stringify({ ...row, gone: true }) }
    ])
    cache.restore("facts-tags", [
      {
        key: `${repository} a`,
        value: JSON.stringify({ ...row, version: 3, manifest: { digest: digest(1), ...content } })
      }
    ])
    expect(cache.sizes()).toEqual({ tags: 1, manifests: 1, blobs: 1 })
    expect(cache.blob(repository, digest(2), 15)).toMatchObject({ age: 5, value: { gone: true } })
    expect(done(cache.updateTag(repository, "a", "same", 60_009))).toEqual(["same"])
    expect(done(cache.updateTag(repository, "a", "same", 60_010))).toEqual(["same", "Put tags a"])
    expect(done(cache.updateBlob(repository, digest(2), "gone", 20))).toEqual(["gone"])
  })

  it("are not made older by an answer to an older question", () => {
    const cache = makeCache()
    const row = { ...manifest(1), at: 20 }
    cache.restore("facts-manifests", [{ key: `${repository} ${digest(1)}`, value: JSON.stringify(row) }])
    done(cache.updateBlob(repository, digest(2), told, 10))
    expect(cache.manifest(repository, digest(1), 25)?.age).toBe(5)
  })
})

describe("a recent map", () => {
  it("is empty before its first entry, and forgets what is deleted", () => {
    const recent = new RecentMap<number>(1)
    recent.delete("a")
    expect([recent.size, recent.get("a"), recent.peek("a"), recent.displacedBy("a")]).toEqual([
      ...[0, undefined, undefined, []]
    ])
    recent.set("a", 1)
    expect(recent.displacedBy("b")).toEqual(["a"])
    recent.delete("a")
    expect([recent.size, recent.displacedBy("b")]).toEqual([0, []])
  })
})
