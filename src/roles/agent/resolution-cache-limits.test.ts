// What the resolution cache forgets, each table with two or three entries: the least recently used entry goes, and its
// row with it, so that a restart finds what a running agent knows. And which "gone" counts against a put.

import { describe, expect, it } from "vitest"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { TableWrite } from "../services/table-store.ts"
import { type AgentLimits, agentLimits } from "./limits.ts"
import { type CacheUpdate, cacheTables, ResolutionCache } from "./resolution-cache.ts"

const digest = (number: number) => `sha256:${number.toString(16).padStart(64, "0")}` as Digest
const repository = "demo/app"

const tagAnswer = (version: number, more: object = {}) => ({
  ...{ mediaType: "application/x", size: 7, digest: digest(version), version },
  ...{ changedAt: 0, putAt: 0, epoch: "e", deletions: 0, names: [] as ReadonlyArray<Digest>, ...more }
})

/** A cache that obeys these limits, and the rows that it stored. */
const open = (limits: Partial<AgentLimits> = {}) => {
  const rows = new Map<string, string>()
  const write = (change: TableWrite): void => {
    const key = `${change.table} ${change.key}`
    if (change.tag === "Put") rows.set(key, change.value)
    else rows.delete(key)
  }
  const cache = new ResolutionCache({ ...agentLimits, ...limits })
  const learn = ({ writes, apply, outcome }: CacheUpdate): CacheUpdate["outcome"] => {
    writes.forEach(write)
    apply()
    return outcome
  }
  const rowsOf = (table: string) =>
    [...rows.keys()].filter((key) => key.startsWith(`${table} `)).map((key) => key.slice(table.length + 1))
  return { cache, learn, rowsOf, rows }
}

describe("a tag that the build-index does not know", () => {
  it("stays cached if the question was asked before its put was received: the answer may be older than the put", () => {
    const { cache, learn } = open()
    const early = { asked: 10, received: 40 }
    // Asked at 20, the put is answered at 30; the question of 10, asked before it, is answered at 40.
    learn(cache.updateTag(repository, "1", tagAnswer(5), 20, 30))
    expect(learn(cache.updateTag(repository, "1", "gone", early.asked, early.received))).toBe("gone")
    expect(learn(cache.updateTag(repository, "1", "gone", 25, early.received))).toBe("older")
    expect(cache.tag(repository, "1", 40)?.value.manifest?.digest).toBe(digest(5))
    expect(learn(cache.updateTag(repository, "1", "gone", 30, 50))).toBe("gone")
    expect(cache.tag(repository, "1", 50)?.value.manifest).toBeUndefined()
  })
})

describe("the resolution cache", () => {
  it("keeps maxRememberedTags tags, in its table as well, and drops the least recently used", () => {
    const { cache, learn, rowsOf } = open({ maxRememberedTags: 2 })
    learn(cache.updateTag(repository, "a", tagAnswer(1), 0))
    learn(cache.updateTag(repository, "b", tagAnswer(2), 0))
    cache.tag(repository, "a", 0)
    learn(cache.updateTag(repository, "c", tagAnswer(3), 0))
    expect(cache.sizes().tags).toBe(2)
    expect(cache.tag(repository, "b", 0)).toBeUndefined()
    expect(rowsOf(cacheTables.tags)).toEqual([`${repository} a`, `${repository} c`])
  })

  it("keeps maxRememberedManifests manifests, in its table as well", () => {
    const { cache, learn, rowsOf } = open({ maxRememberedManifests: 2 })
    for (const number of [1, 2, 3]) {
      learn(cache.updateManifest(repository, digest(number), tagAnswer(number), 0))
    }
    expect(cache.sizes().manifests).toBe(2)
    expect(cache.manifest(repository, digest(1), 0)).toBeUndefined()
    expect(rowsOf(cacheTables.manifests)).toEqual([2, 3].map((number) => `${repository} ${digest(number)}`))
  })

  it("keeps maxRememberedBlobs blobs, and as many rows of blobs", () => {
    const { cache, learn, rowsOf } = open({ maxRememberedBlobs: 2 })
    for (const number of [1, 2, 3]) {
      learn(cache.updateBlob(repository, digest(number), { epoch: "e", deletions: 0 }, 0))
    }
    expect(cache.sizes().blobs).toBe(2)
    expect(cache.blob(repository, digest(1), 0)).toBeUndefined()
    expect(rowsOf(cacheTables.blobs)).toEqual([2, 3].map((number) => `${repository} ${digest(number)}`))
    const names = [4, 5, 6].map(digest)
    learn(cache.updateManifest(repository, digest(9), tagAnswer(9, { names }), 1))
    expect(cache.sizes().blobs, "blobs that a manifest names count").toBe(2)
  })

  it("keeps maxRememberedRepositories repositories: an older confirmation is then that of the entry itself", () => {
    const { cache, learn } = open({ maxRememberedRepositories: 1 })
    const told = { epoch: "e", deletions: 0 }
    learn(cache.updateBlob("a", digest(1), told, 0))
    learn(cache.updateBlob("a", digest(2), told, 1000))
    expect(cache.blob("a", digest(1), 1000)?.age, "confirmed with the other blob").toBe(0)
    learn(cache.updateBlob("b", digest(1), told, 1000))
    expect(cache.blob("a", digest(1), 1000)?.age).toBe(1000)
  })

  it("stores that a tag was confirmed once in confirmationNotePause", () => {
    const { cache, learn, rows } = open({ confirmationNotePause: 5_000_000 })
    learn(cache.updateTag(repository, "1", tagAnswer(5), 0))
    const stored = [1000, 4999, 5000, 9999, 10_000].map((at) => {
      learn(cache.updateTag(repository, "1", "same", at))
      return JSON.parse(rows.get(`${cacheTables.tags} ${repository} 1`) ?? "").at
    })
    expect(stored).toEqual([0, 0, 5000, 5000, 10_000])
  })
})
