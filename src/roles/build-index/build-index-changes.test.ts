// The changes of a build-index: atomic puts and deletions, versions, history, links, and referenced content.

import { assert, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Option } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { describe } from "vitest"
import { digest, record } from "../../../testing/roles/index-records.ts"
import { makeMemoryTables } from "../../../testing/roles/memory-table-store.ts"
import type { ManifestRecord } from "../client/build-index-records.ts"
import { type ServiceLimits, serviceLimits } from "../services/limits.ts"
import { makeBuildIndexChanges } from "./build-index-changes.ts"
import { makeBuildIndexStore } from "./build-index-store.ts"
import { makeIndexTables } from "./build-index-tables.ts"
import { type BuildIndexLimits, buildIndexLimits } from "./limits.ts"

const repository = "demo/app"
const hour = 3_600_000

const open = (changed: Partial<BuildIndexLimits & ServiceLimits> = {}) => {
  const limits = { ...buildIndexLimits, ...serviceLimits, ...changed }
  const rows = makeMemoryTables()
  const tables = makeIndexTables(rows, limits)
  let operations = 0
  // Other fibers run between a change's checks and its write.
  const yielding = {
    ...rows,
    write: (writes: Parameters<typeof rows.write>[0]) => Effect.andThen(Effect.yieldNow, rows.write(writes))
  }
  const changes = makeBuildIndexChanges(tables, yielding, 24 * hour, limits)
  const by = () => ({ by: "10.0.0.1 test", operation: String(operations++) })
  return {
    rows,
    changes,
    index: makeBuildIndexStore(tables, limits),
    by,
    put: (put: ManifestRecord, tags: ReadonlyArray<string> = [], change = by()) =>
      changes.putManifest(repository, { ...change, record: put, tags })
  }
}

/** Everything that a reader could notice. */
const allRows = (rows: ReturnType<typeof makeMemoryTables>) =>
  [
    "manifests",
    "tags",
    "tagged",
    "history",
    "links",
    "unlinked",
    "named-by",
    "linked-by",
    "referrers"
  ].flatMap((table) => rows.rows(table).map((key) => `${table} ${key}`))

describe("a put of a manifest", () => {
  it.effect("is refused with the missing digests, and writes nothing", () =>
    Effect.gen(function* () {
      const { rows, changes, put } = open()
      yield* changes.link(repository, digest("1"), 10)
      const before = allRows(rows)
      const names = [digest("1"), digest("2"), digest("3")]
      const refused = yield* Effect.flip(put(record("a", { names }), ["latest"]))
      assert.deepStrictEqual(refused._tag === "ContentMissing" && refused.digests, [digest("2"), digest("3")])
      assert.deepStrictEqual(allRows(rows), before)
    })
  )

  it.effect(
    "accepts links, manifests of the repository and an absent subject, but none of other repositories",
    () =>
      Effect.gen(function* () {
        const { changes, put, by } = open()
        yield* changes.link(repository, digest("1"), 10)
        yield* put(record("a", { names: [digest("1")], subject: digest("9") }))
        yield* put(record("b", { names: [digest("a")] }), ["index"])
        const elsewhere = { ...by(), record: record("b", { names: [digest("a")] }), tags: [] }
        const refused = yield* Effect.flip(changes.putManifest("demo/other", elsewhere))
        assert.strictEqual(refused._tag, "ContentMissing")
      })
  )

  it.effect("moves many tags at one version, and a tag's version only grows", () =>
    Effect.gen(function* () {
      const { index, put } = open()
      const tags = Array.from({ length: 12 }, (_, number) => `t${number}`)
      yield* put(record("a"), tags)
      const first = yield* Effect.forEach(tags, (tag) => index.tag(repository, tag))
      assert.deepStrictEqual(
        first.map((tag) => Option.getOrThrow(tag).version),
        tags.map(() => 1)
      )
      yield* put(record("b"), ["t3"])
      assert.strictEqual(Option.getOrThrow(yield* index.tag(repository, "t3")).version, 2)
      assert.strictEqual(Option.getOrThrow(yield* index.tag(repository, "t3")).digest, digest("b"))
      // The same put again is no change.
      yield* put(record("b"), ["t3"])
      assert.strictEqual(Option.getOrThrow(yield* index.tag(repository, "t3")).version, 2)
    })
  )

  it.effect("that is repeated under its operation does not undo later changes", () =>
    Effect.gen(function* () {
      const { index, put, by, changes } = open()
      const first = by()
      yield* put(record("a"), ["latest"], first)
      yield* put(record("b"), ["latest"])
      yield* put(record("a"), ["latest"], first)
      assert.strictEqual(Option.getOrThrow(yield* index.tag(repository, "latest")).digest, digest("b"))
      const gone = by()
      yield* changes.deleteTag(repository, "latest", gone)
      yield* put(record("a"), ["latest"])
      yield* changes.deleteTag(repository, "latest", gone)
      assert.isTrue(Option.isSome(yield* index.tag(repository, "latest")))
    })
  )

  it.effect("and a concurrent one happen one after the other", () =>
    Effect.gen(function* () {
      const { index, put } = open()
      const puts = yield* Effect.forEach(["a", "b", "c", "d"], (letter) =>
        Effect.forkChild(put(record(letter), ["latest"]))
      )
      const versions = yield* Effect.forEach(puts, Fiber.join)
      assert.deepStrictEqual([...versions].sort(), [1, 2, 3, 4])
      const history = Option.getOrThrow(yield* index.history(repository, "latest"))
      assert.deepStrictEqual(
        history.map(({ version }) => version),
        [4, 3, 2, 1]
      )
    })
  )
})

describe("a tag's history", () => {
  it.effect("states who, when and what, last first, and keeps the last twenty", () =>
    Effect.gen(function* () {
      const { index, put, changes, by, rows } = open()
      for (let round = 0; round < 15; round++) {
        yield* put(record("a"), ["latest"])
        yield* TestClock.adjust("1 second")
        yield* put(record("b"), ["latest"])
      }
      yield* changes.deleteTag(repository, "latest", by())
      const history = Option.getOrThrow(yield* index.history(repository, "latest"))
      assert.strictEqual(history.length, buildIndexLimits.tagHistory)
      assert.strictEqual(rows.rows("history").length, buildIndexLimits.tagHistory)
      assert.strictEqual(history[0]!.digest, undefined)
      assert.deepStrictEqual(
        { ...history[1], operation: "" },
        { by: "10.0.0.1 test", operation: "", version: 30, at: 15_000, digest: digest("b") }
      )
      assert.isTrue(Option.isNone(yield* index.history(repository, "never")))
    })
  )
})

describe("a deletion", () => {
  it.effect("of a tag leaves the manifest; of a manifest also removes its tags, names and referrer", () =>
    Effect.gen(function* () {
      const { rows, changes, index, put, by } = open()
      yield* changes.link(repository, digest("1"), 10)
      yield* put(record("a", { names: [digest("1")], subject: digest("9") }), ["one", "two"])
      yield* changes.deleteTag(repository, "one", by())
      assert.isTrue(Option.isNone(yield* index.tag(repository, "one")))
      assert.isTrue(Option.isSome(yield* index.manifest(repository, digest("a"))))
      yield* changes.deleteManifest(repository, digest("a"), by())
      assert.isTrue(Option.isNone(yield* index.tag(repository, "two")))
      assert.isTrue(Option.isNone(yield* index.manifest(repository, digest("a"))))
      const referrers = yield* index.referrers(repository, digest("9"), { limit: 10 }, undefined)
      assert.deepStrictEqual(referrers, { referrers: [], more: false })
      for (const table of ["manifests", "tags", "tagged", "named-by", "referrers"]) {
        assert.deepStrictEqual(rows.rows(table), [], table)
      }
      assert.isTrue(Option.isSome(yield* index.blob(repository, digest("1"))))
      for (const nothing of [
        changes.deleteTag(repository, "one", by()),
        changes.deleteManifest(repository, digest("a"), by()),
        changes.unlink(repository, digest("2"))
      ]) {
        assert.strictEqual((yield* Effect.flip(nothing))._tag, "NotFound")
      }
    })
  )

  it.effect("of a blob holds until it is linked again, although a manifest names it", () =>
    Effect.gen(function* () {
      const { rows, changes, index, put, by } = open()
      yield* changes.link(repository, digest("1"), 10)
      yield* put(record("a", { names: [digest("1")] }))
      yield* changes.unlink(repository, digest("1"))
      assert.isFalse(Option.isSome(yield* index.blob(repository, digest("1"))))
      assert.strictEqual(
        (yield* Effect.flip(put(record("b", { names: [digest("1")] }))))._tag,
        "ContentMissing"
      )
      yield* changes.link(repository, digest("1"), 10)
      assert.isTrue(Option.isSome(yield* index.blob(repository, digest("1"))))
      yield* changes.unlink(repository, digest("1"))
      yield* changes.deleteManifest(repository, digest("a"), by())
      assert.deepStrictEqual(rows.rows("unlinked"), [])
    })
  )
})

describe("a link", () => {
  it.effect("is renewed when a client relies on it and it is older than half the grace", () =>
    Effect.gen(function* () {
      const { rows, changes } = open()
      const at = Effect.map(
        rows.get("links", `${repository} ${digest("1")}`),
        (row) => JSON.parse(Option.getOrThrow(row)).at
      )
      yield* changes.link(repository, digest("1"), 10)
      yield* TestClock.adjust("12 hours")
      yield* changes.renewLink(repository, digest("1"))
      assert.strictEqual(yield* at, 0)
      yield* TestClock.adjust("1 minute")
      yield* changes.renewLink(repository, digest("1"))
      assert.strictEqual(yield* at, yield* Clock.currentTimeMillis)
      yield* changes.renewLink(repository, digest("2"))
      assert.strictEqual(rows.rows("links").length, 1)
    })
  )
})

describe("referenced content", () => {
  it.effect("is what any repository links or any manifest names, including itself", () =>
    Effect.gen(function* () {
      const { changes, index, put, by } = open()
      yield* changes.link(repository, digest("1"), 10)
      yield* changes.link("demo/other", digest("2"), 10)
      yield* put(record("a", { names: [digest("1")] }))
      yield* changes.unlink(repository, digest("1"))
      const asked = ["1", "2", "3", "a", "b"].map(digest)
      assert.deepStrictEqual(yield* index.referenced(asked), [digest("1"), digest("2"), digest("a")])
      yield* changes.deleteManifest(repository, digest("a"), by())
      assert.deepStrictEqual(yield* index.referenced(asked), [digest("2")])
    })
  )
})

describe("referrers", () => {
  it.effect("are filtered by artifact type and come in pages, sorted", () =>
    Effect.gen(function* () {
      const { index, put } = open()
      const letters = ["1", "2", "3", "4", "5", "6"]
      for (const letter of letters) {
        const artifactType = Number(letter) % 2 === 0 ? "application/even" : "application/odd"
        yield* put(record(letter, { subject: digest("9"), artifactType, annotations: { of: letter } }))
      }
      const all = yield* index.referrers(repository, digest("9"), { limit: 10 }, undefined)
      assert.deepStrictEqual(
        all.referrers.map((referrer) => referrer.digest),
        letters.map(digest)
      )
      assert.deepStrictEqual(all.referrers[0], {
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        digest: digest("1"),
        size: 7,
        artifactType: "application/odd",
        annotations: { of: "1" }
      })
      const first = yield* index.referrers(repository, digest("9"), { limit: 2 }, "application/even")
      assert.deepStrictEqual(
        [first.referrers.map((referrer) => referrer.digest), first.more],
        [[digest("2"), digest("4")], true]
      )
      const rest = { limit: 2, last: digest("4") }
      const second = yield* index.referrers(repository, digest("9"), rest, "application/even")
      assert.deepStrictEqual(
        [second.referrers.map((referrer) => referrer.digest), second.more],
        [[digest("6")], false]
      )
    })
  )

  it.effect("have the fallback tag of the subject, and no page is much larger than its limit", () =>
    Effect.gen(function* () {
      const { index, put } = open()
      yield* put(record("f"), [`sha256-${"9".repeat(64)}`])
      const big = "x".repeat(buildIndexLimits.maxReferrersBytes / 2)
      for (const letter of ["1", "2", "3"]) {
        yield* put(record(letter, { subject: digest("9"), annotations: { big } }))
      }
      const page = yield* index.referrers(repository, digest("9"), { limit: 10 }, undefined)
      assert.strictEqual(page.fallback?.digest, digest("f"))
      assert.strictEqual(page.referrers.length, 1)
      assert.isTrue(page.more)
    })
  )
})

describe("changes in any order", () => {
  type Step = {
    readonly kind: string
    readonly manifest: number
    readonly blob: number
    readonly tag: number
  }
  const manifests = ["a", "b", "c"]
  const blobs = ["1", "2"]
  const tags = ["x", "y"]

  it("keep tags on existing manifests, and both directions of every table consistent", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            kind: fc.constantFrom("put", "tag", "deleteTag", "deleteManifest", "link", "unlink"),
            manifest: fc.nat(2),
            blob: fc.nat(1),
            tag: fc.nat(1)
          }),
          { maxLength: 40 }
        ),
        (steps: ReadonlyArray<Step>) =>
          Effect.runPromise(
            Effect.gen(function* () {
              const { rows, changes, index, put, by } = open()
              let last = 0
              for (const { kind, manifest, blob, tag } of steps) {
                const of = record(manifests[manifest]!, { names: [digest(blobs[blob]!)] })
                const name = tags[tag]!
                const change: Effect.Effect<unknown, unknown> =
                  kind === "put"
                    ? put(of)
                    : kind === "tag"
                      ? put(of, [name])
                      : kind === "deleteTag"
                        ? changes.deleteTag(repository, name, by())
                        : kind === "deleteManifest"
                          ? changes.deleteManifest(repository, of.digest, by())
                          : kind === "link"
                            ? changes.link(repository, digest(blobs[blob]!), 1)
                            : changes.unlink(repository, digest(blobs[blob]!))
                const version = yield* Effect.orElseSucceed(change, () => undefined)
                if (typeof version === "number") {
                  assert.isAtLeast(version, last)
                  last = version
                }
              }
              const tagged = rows.rows("tagged").map((key) => key.split(" ")[2])
              const names = rows.rows("tags").map((key) => key.slice(repository.length + 1))
              for (const name of names) {
                const found = yield* index.tag(repository, name)
                assert.isTrue(Option.isSome(found), "a tag names a manifest that is not there")
              }
              assert.deepStrictEqual([...tagged].sort(), names)
              const linked = rows.rows("links").map((key) => key.split(" ").reverse().join(" "))
              assert.deepStrictEqual(rows.rows("linked-by"), [...linked].sort())
              for (const key of rows.rows("unlinked")) {
                const [, blob = "no blob"] = key.split(" ")
                const isNamed = rows.rows("named-by").some((row) => row.startsWith(blob))
                assert.isTrue(isNamed, "a note of a deleted blob that no manifest names")
              }
              assert.strictEqual(
                new Set(rows.rows("named-by").map((row) => row.split(" ")[2])).size,
                rows.rows("manifests").length
              )
            })
          )
      ),
      {
        numRuns: 200,
        // The same manifest, recorded with another blob than before.
        examples: [
          [
            [
              { kind: "link", manifest: 0, blob: 0, tag: 0 },
              { kind: "link", manifest: 0, blob: 1, tag: 0 },
              { kind: "put", manifest: 1, blob: 0, tag: 0 },
              { kind: "unlink", manifest: 0, blob: 0, tag: 0 },
              { kind: "put", manifest: 1, blob: 1, tag: 0 },
              { kind: "deleteManifest", manifest: 1, blob: 1, tag: 0 }
            ]
          ]
        ]
      }
    ))
})
