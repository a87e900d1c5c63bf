// Tests of the resolution cache against a model of a build-index: in any order of answers and after any restart no
// tag goes back to an older version, and an entry was true no longer ago than its age says.

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { TableWrite } from "../services/table-store.ts"
import { agentLimits } from "./limits.ts"
import { RecentMap } from "./recent-map.ts"
import { type CacheUpdate, cacheTables, ResolutionCache } from "./resolution-cache.ts"

const digest = (number: number) => `sha256:${number.toString(16).padStart(64, "0")}` as Digest
const repository = "demo/app"

/** A cache over tables that survive restarts. */
const open = () => {
  const rows = new Map<string, string>()
  const write = (writes: ReadonlyArray<TableWrite>) => {
    for (const change of writes) {
      const key = `${change.table}/${change.key}`
      if (change.tag === "Put") rows.set(key, change.value)
      else rows.delete(key)
    }
  }
  const restarted = () => {
    const cache = new ResolutionCache(agentLimits)
    for (const table of Object.values(cacheTables)) {
      const found = [...rows]
        .filter(([key]) => key.startsWith(`${table}/`))
        .map(([key, value]) => ({ key: key.slice(table.length + 1), value }))
      cache.restore(table, found)
    }
    return cache
  }
  return {
    rows,
    restarted,
    learn: ({ writes, apply, outcome }: CacheUpdate) => {
      write(writes)
      apply()
      return outcome
    }
  }
}

const described = { mediaType: "application/x", size: 7 }
const tagAnswer = (version: number, more: object = {}) => ({
  ...described,
  digest: digest(version),
  version,
  changedAt: 0,
  epoch: "e",
  deletions: 0,
  names: [],
  ...more
})

describe("a cached tag", () => {
  it("takes no lower version of its epoch, not even after its deletion, but any of another epoch", () => {
    const { learn, restarted } = open()
    const cache = restarted()
    learn(cache.updateTag(repository, "1", tagAnswer(5), 10))
    expect(learn(cache.updateTag(repository, "1", tagAnswer(4), 20))).toBe("older")
    expect(cache.tag(repository, "1", 20)).toMatchObject({ value: { version: 5 }, age: 10 })
    learn(cache.updateTag(repository, "1", "gone", 30))
    for (const known of [cache, restarted()]) {
      expect(learn(known.updateTag(repository, "1", tagAnswer(5), 40))).toBe("older")
      expect(known.tag(repository, "1", 40)?.value.manifest).toBeUndefined()
    }
    learn(cache.updateTag(repository, "1", tagAnswer(2, { epoch: "f" }), 50))
    expect(cache.tag(repository, "1", 50)?.value.version).toBe(2)
  })

  it("is confirmed by an unchanged answer, stored now and then, and invalidated by a write through the agent", () => {
    const { learn, restarted, rows } = open()
    const cache = restarted()
    learn(cache.updateTag(repository, "1", tagAnswer(5), 0))
    const noted = () => JSON.parse(rows.get(`${cacheTables.tags}/${repository} 1`)!).at
    learn(cache.updateTag(repository, "1", "same", 1000))
    expect(cache.tag(repository, "1", 1500)).toMatchObject({ age: 500, invalidated: false })
    expect(noted()).toBe(0)
    const pause = agentLimits.confirmationNotePause / 1000
    learn(cache.updateTag(repository, "1", "same", pause))
    expect(noted()).toBe(pause)
    cache.invalidate(repository, pause)
    expect(cache.tag(repository, "1", pause)?.invalidated).toBe(true)
    learn(cache.updateTag(repository, "1", "same", pause + 1))
    expect(cache.tag(repository, "1", pause + 1)?.invalidated).toBe(false)
  })
})

describe("cached blobs", () => {
  it("exist if a manifest names them and does not list them as missing", () => {
    const { learn, restarted } = open()
    const names = [digest(1), digest(2)]
    learn(restarted().updateTag(repository, "1", tagAnswer(5, { names, missing: [digest(2)] }), 0))
    const cache = restarted()
    expect(cache.blob(repository, digest(1), 0)?.value.gone).toBeUndefined()
    expect(cache.blob(repository, digest(2), 0)?.value.gone).toBe(true)
    expect(cache.blob("demo/other", digest(1), 0)).toBeUndefined()
  })

  it("stay gone after a restart, though a manifest names them, until an answer finds them", () => {
    const { learn, restarted } = open()
    const cache = restarted()
    learn(cache.updateTag(repository, "1", tagAnswer(5, { names: [digest(1)] }), 0))
    learn(cache.updateBlob(repository, digest(1), "gone", 10))
    expect(restarted().blob(repository, digest(1), 10)?.value.gone).toBe(true)
    learn(cache.updateBlob(repository, digest(1), { epoch: "e", deletions: 6 }, 20))
    expect(restarted().blob(repository, digest(1), 20)?.value.gone).toBeUndefined()
  })

  it("are confirmed by any answer without a further deletion, and by no other", () => {
    const { learn, restarted } = open()
    const cache = restarted()
    learn(cache.updateTag(repository, "1", tagAnswer(5, { names: [digest(1)] }), 0))
    learn(cache.updateTag(repository, "1", "same", 1000))
    expect(cache.blob(repository, digest(1), 1000)?.age).toBe(0)
    learn(cache.updateTag(repository, "2", tagAnswer(7, { deletions: 6 }), 2000))
    expect(cache.blob(repository, digest(1), 2000)?.age).toBe(2000)
  })

  it("that never existed have no entry", () => {
    const { learn, restarted, rows } = open()
    const cache = restarted()
    expect(learn(cache.updateBlob(repository, digest(1), "gone", 0))).toBe("gone")
    expect(learn(cache.updateManifest(repository, digest(1), "gone", 0))).toBe("gone")
    expect(learn(cache.updateTag(repository, "1", "gone", 0))).toBe("gone")
    expect(rows.size).toBe(0)
    expect(cache.sizes()).toEqual({ tags: 0, manifests: 0, blobs: 0 })
  })
})

describe("damaged rows of a table", () => {
  it("are left out", () => {
    const cache = new ResolutionCache(agentLimits)
    for (const table of Object.values(cacheTables)) {
      cache.restore(table, [
        { key: "demo/app x", value: "{" },
        { key: "demo/app y", value: '{"at":"now"}' }
      ])
    }
    expect(cache.sizes()).toEqual({ tags: 0, manifests: 0, blobs: 0 })
  })
})

describe("a recent map", () => {
  it("drops the least recently used entry, and can tell it in advance", () => {
    const recent = new RecentMap<number>(2)
    recent.set("a", 1)
    recent.set("b", 2)
    recent.get("a")
    expect(recent.displacedBy("a")).toEqual([])
    expect(recent.displacedBy("c")).toEqual(["b"])
    recent.set("c", 3)
    expect([recent.peek("a"), recent.peek("b"), recent.peek("c"), recent.size]).toEqual([1, undefined, 3, 2])
  })
})

/**
 * A build-index whose every state is kept: one tag over manifests 0 to 2, each of which names blob 10 + its number.
 * The answer to a question is the state at some time between the question and the arrival of the answer.
 */
interface Truth {
  readonly version: number
  readonly deletions: number
  readonly tag: number | undefined
  readonly manifests: ReadonlySet<number>
  readonly blobs: ReadonlySet<number>
}

type Event =
  | { readonly kind: "move" | "dropManifest" | "dropBlob" | "link"; readonly which: number }
  | { readonly kind: "dropTag" | "restart" }
  | {
      readonly kind: "ask"
      readonly what: "tag" | "manifest" | "blob"
      readonly which: number
      readonly takes: number
      readonly answeredAfter: number
    }

const events: fc.Arbitrary<ReadonlyArray<Event>> = fc.array(
  fc.oneof(
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constantFrom("move" as const, "dropManifest" as const, "dropBlob" as const, "link" as const),
        which: fc.nat(2)
      })
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("dropTag" as const, "restart" as const) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("ask" as const),
        what: fc.constantFrom("tag" as const, "manifest" as const, "blob" as const),
        which: fc.nat(2),
        takes: fc.nat(6),
        answeredAfter: fc.nat(6)
      })
    }
  ),
  { maxLength: 100, size: "max" }
)

const change = (truth: Truth, event: Event): Truth => {
  const version = truth.version + 1
  const manifests = new Set(truth.manifests)
  const blobs = new Set(truth.blobs)
  switch (event.kind) {
    case "move":
      if (!blobs.has(event.which) || truth.tag === event.which) return truth
      return { ...truth, version, tag: event.which, manifests: manifests.add(event.which) }
    case "dropTag":
      return truth.tag === undefined ? truth : { ...truth, version, tag: undefined }
    case "dropManifest": {
      if (!manifests.delete(event.which)) return truth
      const tag = truth.tag === event.which ? undefined : truth.tag
      return { ...truth, version, deletions: version, tag, manifests }
    }
    case "dropBlob":
      return blobs.delete(event.which) ? { ...truth, version, deletions: version, blobs } : truth
    case "link":
      return { ...truth, blobs: blobs.add(event.which) }
    default:
      return truth
  }
}

describe("cache entries after any history", () => {
  it("were true no longer ago than their age says, and no tag goes back", () => {
    fc.assert(
      fc.property(events, (history) => {
        const { learn, restarted } = open()
        let cache = restarted()
        const truths: Truth[] = [
          { version: 0, deletions: 0, tag: undefined, manifests: new Set(), blobs: new Set() }
        ]
        const tagVersions: number[] = [0]
        const pending: Array<{ readonly at: number; readonly hear: () => void }> = []
        let highest = 0
        const answerOf = (
          at: number,
          event: Event & { readonly kind: "ask" },
          knownVersion: string | undefined
        ) => {
          const truth = truths[at]!
          const told = { epoch: "e", deletions: truth.deletions }
          const ofManifest = (which: number) => {
            const missing = truth.blobs.has(which) ? {} : { missing: [digest(10 + which)] }
            return { ...told, ...described, digest: digest(which), names: [digest(10 + which)], ...missing }
          }
          if (event.what === "tag") {
            if (truth.tag === undefined) return "gone" as const
            const answer = { ...ofManifest(truth.tag), version: tagVersions[at]!, changedAt: 0 }
            return knownVersion === `${answer.version}.${answer.deletions}` ? ("same" as const) : answer
          }
          if (event.what === "manifest") {
            return truth.manifests.has(event.which)
              ? { ...ofManifest(event.which), putAt: 0 }
              : ("gone" as const)
          }
          return truth.blobs.has(event.which) ? told : ("gone" as const)
        }
        /** The deletions that an entry knows, and the time of its question: neither decreases. */
        let believed = new Map<string, { readonly deletions: number; readonly at: number }>()
        const neverOlder = (key: string, deletions: number, at: number) => {
          const before = believed.get(key) ?? { deletions: 0, at: 0 }
          expect(deletions, key).toBeGreaterThanOrEqual(before.deletions)
          if (deletions === before.deletions) expect(at, key).toBeGreaterThanOrEqual(before.at)
          believed.set(key, { deletions, at })
        }
        const check = (now: number) => {
          const since = (age: number) => truths.slice(Math.max(0, now - age))
          const tag = cache.tag(repository, "t", now)
          if (tag !== undefined) {
            expect(tag.value.version).toBeGreaterThanOrEqual(highest)
            highest = tag.value.version
            neverOlder("tag", tag.value.version, tag.value.at)
            const named = tag.value.manifest?.digest
            const wasTrue = since(tag.age).some(
              (truth) => (truth.tag === undefined ? undefined : digest(truth.tag)) === named
            )
            expect(wasTrue).toBe(true)
          }
          for (const which of [0, 1, 2]) {
            const manifest = cache.manifest(repository, digest(which), now)
            if (manifest !== undefined) {
              expect(since(manifest.age).some((truth) => truth.manifests.has(which))).toBe(true)
            }
            const blob = cache.blob(repository, digest(10 + which), now)
            if (blob !== undefined) neverOlder(`blob ${which}`, blob.value.deletions, blob.value.at)
            if (blob !== undefined && blob.value.gone !== true) {
              expect(since(blob.age).some((truth) => truth.blobs.has(which))).toBe(true)
            }
          }
        }
        const step = (event: Event | undefined) => {
          const now = truths.length
          const before = truths.at(-1)!
          const after = event === undefined ? before : change(before, event)
          truths.push(after)
          tagVersions.push(after.tag === before.tag ? tagVersions.at(-1)! : after.version)
          if (event?.kind === "restart") {
            cache = restarted()
            believed = new Map()
          }
          if (event?.kind === "ask") {
            const known = cache.tag(repository, "t", now)?.value
            const entity = known?.manifest === undefined ? undefined : `${known.version}.${known.deletions}`
            const mine = cache
            const answersAt = now + event.takes
            pending.push({
              at: answersAt + event.answeredAfter,
              hear: () => {
                // A restart ends its questions.
                if (mine !== cache) return
                const answer = answerOf(answersAt, event, entity)
                const update =
                  event.what === "tag"
                    ? cache.updateTag(
                        repository,
                        "t",
                        answer as Parameters<typeof cache.updateTag>[2],
                        now,
                        truths.length - 1
                      )
                    : event.what === "manifest"
                      ? cache.updateManifest(
                          repository,
                          digest(event.which),
                          answer as Parameters<typeof cache.updateManifest>[2],
                          now
                        )
                      : cache.updateBlob(
                          repository,
                          digest(10 + event.which),
                          answer as Parameters<typeof cache.updateBlob>[2],
                          now
                        )
                learn(update)
              }
            })
          }
          for (const { at, hear } of pending) if (at === now) hear()
          check(now)
        }
        for (const event of history) step(event)
        for (let rest = 0; rest < 14; rest++) step(undefined)
      }),
      {
        numRuns: 1000,
        // The answer "gone" left before the tag was put and arrived after it.
        examples: [
          [
            [
              { kind: "link", which: 0 },
              { kind: "ask", what: "tag", which: 0, takes: 4, answeredAfter: 0 },
              { kind: "ask", what: "tag", which: 0, takes: 0, answeredAfter: 0 },
              { kind: "ask", what: "tag", which: 0, takes: 0, answeredAfter: 0 },
              { kind: "ask", what: "tag", which: 0, takes: 0, answeredAfter: 2 },
              { kind: "move", which: 0 },
              { kind: "ask", what: "tag", which: 0, takes: 0, answeredAfter: 0 }
            ]
          ]
        ]
      }
    )
  })
})
