// Tests of the image resolver's questions over a scripted build-index: which readers share one, when a build-index that
// did not answer is asked again, and what of the answers is stored. The answers themselves are in
// image-resolver.test.ts.

import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { makeMemoryTables } from "../../../testing/roles/memory-table-store.ts"
import { settle } from "../../../testing/roles/settle.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { seconds } from "../../protocol/kit/time.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import {
  type BuildIndexClient,
  type BuildIndexError,
  BuildIndexUnavailable
} from "../client/build-index-client.ts"
import type { TagAnswer } from "../client/build-index-records.ts"
import { ServiceLimits } from "../services/limits.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { type ImageResolver, type ImageResolverOptions, makeImageResolver } from "./image-resolver.ts"
import { AgentLimits } from "./limits.ts"

const digest = (number: number) => `sha256:${number.toString(16).padStart(64, "0")}` as Digest

/** The answer for a tag at a version, which is also the number of its manifest's digest. */
const version = (number: number, more: Partial<TagAnswer> = {}): TagAnswer => ({
  digest: digest(number),
  mediaType: "application/x",
  size: 7,
  version: number,
  changedAt: 0,
  epoch: "e",
  deletions: 0,
  names: [],
  ...more
})

const away = Effect.fail(new BuildIndexUnavailable({ message: "away" }))

/** A build-index that records the tags that it is asked for, and answers as the test says. */
const scripted = () => {
  const asked: string[] = []
  const script = { tag: (_: string): Effect.Effect<TagAnswer, BuildIndexError> => Effect.succeed(version(1)) }
  const tag = (repository: string, name: string) =>
    Effect.suspend(() => {
      asked.push(`${repository}:${name}`)
      return script.tag(`${repository}:${name}`)
    })
  const client = {
    tag,
    tagSince: (repository: string, name: string) => Effect.map(tag(repository, name), Option.some)
  } as unknown as BuildIndexClient
  return { asked, script, client }
}

type Script = ReturnType<typeof scripted>

/** Runs a test over a resolver with these options and a scripted build-index. */
const scene = <E>(
  options: Partial<ImageResolverOptions>,
  test: (resolver: ImageResolver, script: Script) => Effect.Effect<void, E, Scope.Scope>
) =>
  Effect.gen(function* () {
    const script = scripted()
    const resolver = yield* makeImageResolver({
      buildIndex: Effect.succeed(script.client),
      tables: makeMemoryTables(),
      metrics: makeRoleMetrics("agent"),
      freshness: 5000,
      serveStale: true,
      ...options
    })
    yield* test(resolver, script)
  }).pipe(Effect.scoped)

/** A gate that holds each answer until it opens. */
const gated = (answer: TagAnswer) =>
  Effect.map(Deferred.make<void>(), (gate) => ({
    answer: Effect.as(Deferred.await(gate), answer),
    open: Deferred.succeed(gate, undefined)
  }))

describe("readers of an entry", () => {
  it.effect("share a question that is younger than freshness", () =>
    scene({}, (resolver, { asked, script }) =>
      Effect.gen(function* () {
        const { answer, open } = yield* gated(version(1))
        script.tag = () => answer
        const read = Effect.andThen(Effect.forkChild(resolver.tag("a", "1")), (fiber) =>
          Effect.as(settle, fiber)
        )
        const fibers = [yield* read]
        yield* TestClock.adjust("4999 millis")
        fibers.push(yield* read)
        assert.strictEqual(asked.length, 1)
        yield* TestClock.adjust("1 millis")
        fibers.push(yield* read)
        assert.strictEqual(asked.length, 2)
        yield* open
        for (const fiber of fibers) assert.strictEqual((yield* Fiber.join(fiber)).digest, digest(1))
      })
    )
  )

  it.effect("ask again after a write to the repository, and share that question", () =>
    scene({}, (resolver, { asked, script }) =>
      Effect.gen(function* () {
        const first = yield* gated(version(1))
        const second = yield* gated(version(2))
        const other = yield* gated(version(3))
        const answers = [first.answer, second.answer]
        script.tag = (name) =>
          name === "a:1" ? (answers.shift() ?? Effect.die("asked a third time")) : other.answer
        const read = (repository: string) =>
          Effect.andThen(Effect.forkChild(resolver.tag(repository, "1")), (fiber) => Effect.as(settle, fiber))
        const before = yield* read("a")
        const others = [yield* read("b")]
        yield* TestClock.adjust("1 millis")
        yield* resolver.invalidate("a")
        yield* TestClock.adjust("1 millis")
        const after = [yield* read("a")]
        others.push(yield* read("b"))
        assert.deepStrictEqual(asked, ["a:1", "b:1", "a:1"])
        // The answer to the first question ends its own sharing only.
        yield* first.open
        assert.strictEqual((yield* Fiber.join(before)).digest, digest(1))
        after.push(yield* read("a"))
        yield* second.open
        yield* other.open
        for (const fiber of after) assert.strictEqual((yield* Fiber.join(fiber)).digest, digest(2))
        for (const fiber of others) assert.strictEqual((yield* Fiber.join(fiber)).digest, digest(3))
      })
    )
  )

  it.effect("wait for a build-index only if there is no last known value, or for revalidationPatience", () =>
    scene({}, (resolver, { script }) =>
      Effect.gen(function* () {
        yield* resolver.tag("a", "1")
        yield* TestClock.adjust("5 seconds")
        script.tag = () => Effect.never
        const known = yield* Effect.forkChild(resolver.tag("a", "1"))
        const unknown = yield* Effect.forkChild(resolver.tag("a", "2"))
        yield* TestClock.adjust("1999 millis")
        assert.isUndefined(known.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        assert.strictEqual((yield* Fiber.join(known)).age, 5)
        yield* TestClock.adjust("1 hour")
        assert.isUndefined(unknown.pollUnsafe())
      })
    ).pipe((effect) => withLimits(effect, AgentLimits, { revalidationPatience: seconds(2) }))
  )
})

describe("a build-index that did not answer", () => {
  it.effect("is asked again after staleRetryPause, or after freshness if that is shorter", () =>
    Effect.forEach(
      [
        [5000, 2000],
        [1000, 1000]
      ] as const,
      ([freshness, pause]) =>
        scene({ freshness }, (resolver, { asked, script }) =>
          Effect.gen(function* () {
            yield* resolver.tag("a", "1")
            yield* TestClock.adjust(freshness)
            script.tag = () => away
            const stale = yield* resolver.tag("a", "1")
            assert.deepStrictEqual([stale.digest, stale.age], [digest(1), freshness / 1000])
            yield* TestClock.adjust(pause - 1)
            yield* resolver.tag("a", "1")
            assert.strictEqual(asked.length, 2)
            yield* TestClock.adjust(1)
            yield* resolver.tag("a", "1")
            assert.strictEqual(asked.length, 3)
          })
        )
    ).pipe((effect) => withLimits(effect, AgentLimits, { staleRetryPause: seconds(2) }))
  )

  it.effect("is asked at once after any answer for the repository, and for other repositories", () =>
    scene({}, (resolver, { asked, script }) =>
      Effect.gen(function* () {
        yield* resolver.tag("a", "1")
        yield* resolver.tag("b", "1")
        yield* TestClock.adjust("5 seconds")
        script.tag = (name) => (name === "a:1" ? away : Effect.succeed(version(2)))
        asked.length = 0
        yield* resolver.tag("a", "1")
        yield* resolver.tag("a", "1")
        assert.strictEqual((yield* resolver.tag("b", "1")).digest, digest(2))
        assert.deepStrictEqual(asked, ["a:1", "b:1"])
        yield* resolver.tag("a", "2")
        yield* resolver.tag("a", "1")
        assert.deepStrictEqual(asked, ["a:1", "b:1", "a:2", "a:1"])
      })
    )
  )

  it.effect("is recorded for at most maxRememberedRepositories repositories", () =>
    scene({}, (resolver, { asked, script }) =>
      Effect.gen(function* () {
        const tables = ["a", "b", "c"]
        for (const repository of tables) yield* resolver.tag(repository, "1")
        yield* TestClock.adjust("5 seconds")
        script.tag = () => away
        asked.length = 0
        for (const repository of ["a", "b", "a", "b"]) {
          yield* Effect.exit(resolver.tag(repository, "1"))
        }
        assert.deepStrictEqual(asked, ["a:1", "b:1"])
        for (const repository of ["c", "c", "a"]) yield* Effect.exit(resolver.tag(repository, "1"))
        assert.deepStrictEqual(asked.slice(2), ["c:1", "a:1"])
      })
    ).pipe((effect) => withLimits(effect, AgentLimits, { maxRememberedRepositories: 2 }))
  )

  it.effect("is asked every time without serveStale", () =>
    scene({ serveStale: false }, (resolver, { asked, script }) =>
      Effect.gen(function* () {
        yield* resolver.tag("a", "1")
        yield* TestClock.adjust("5 seconds")
        script.tag = () => away
        for (const _ of [1, 2]) {
          assert.strictEqual((yield* Effect.flip(resolver.tag("a", "1")))._tag, "ImageUnavailable")
        }
        assert.strictEqual(asked.length, 3)
      })
    )
  )
})

describe("the age of an answer", () => {
  it.effect("is that of the upstream's confirmation and of the entry, in whole seconds", () =>
    scene({}, (resolver, { script }) =>
      Effect.gen(function* () {
        script.tag = () => Effect.succeed(version(1, { age: 7 }))
        assert.strictEqual((yield* resolver.tag("a", "1")).age, 7)
        yield* TestClock.adjust("1999 millis")
        assert.strictEqual((yield* resolver.tag("a", "1")).age, 8)
        assert.strictEqual((yield* resolver.manifest("a", digest(1))).age, 1)
      })
    )
  )

  it.effect("is 0 for an entry from the future, which is confirmed at once", () =>
    Effect.gen(function* () {
      const tables = makeMemoryTables()
      const row = { epoch: "e", deletions: 0, version: 1 }
      const manifest = { digest: digest(1), mediaType: "application/x", size: 7 }
      const write = (name: string, at: number) => ({
        tag: "Put" as const,
        table: "facts-tags",
        key: `a ${name}`,
        value: JSON.stringify({ ...row, at, manifest })
      })
      yield* TestClock.adjust("10 seconds")
      yield* tables.write([write("now", 10_000), write("future", 10_001)])
      yield* scene({ tables }, (resolver, { asked, script }) =>
        Effect.gen(function* () {
          script.tag = () => away
          assert.strictEqual((yield* resolver.tag("a", "now")).age, 0)
          assert.deepStrictEqual(asked, [])
          assert.strictEqual((yield* resolver.tag("a", "future")).age, 0)
          assert.deepStrictEqual(asked, ["a:future"])
        })
      )
    })
  )
})

describe("stored answers", () => {
  it.effect("are one at a time, so that no older one replaces a newer one", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const tables = makeMemoryTables()
      const slow = {
        ...tables,
        write: (...writes: Parameters<typeof tables.write>) =>
          Effect.andThen(Deferred.await(gate), tables.write(...writes))
      }
      yield* scene({ freshness: 0, tables: slow }, (resolver, { script }) =>
        Effect.gen(function* () {
          const answers = [version(2), version(1)]
          script.tag = () => Effect.suspend(() => Effect.succeed(answers.shift() ?? version(0)))
          const readers = [
            yield* Effect.forkChild(resolver.tag("a", "1")),
            yield* Effect.forkChild(resolver.tag("a", "1"))
          ]
          yield* TestClock.adjust("1 millis")
          yield* Deferred.succeed(gate, undefined)
          for (const reader of readers) assert.strictEqual((yield* Fiber.join(reader)).digest, digest(2))
        })
      )
    })
  )

  it.effect("cause no write if nothing changed", () =>
    Effect.gen(function* () {
      const tables = makeMemoryTables()
      let writes = 0
      const counting = {
        ...tables,
        write: (...all: Parameters<typeof tables.write>) => {
          writes++
          return tables.write(...all)
        }
      }
      yield* scene({ freshness: 0, tables: counting }, (resolver, { script }) =>
        Effect.gen(function* () {
          yield* resolver.tag("a", "1")
          assert.strictEqual(writes, 1)
          script.tag = () => Effect.fail({ _tag: "TagUnknown" } as never)
          yield* Effect.flip(resolver.tag("a", "2"))
          assert.strictEqual(writes, 1)
        })
      )
    })
  )

  it.effect("are all loaded at a start, in pages of tableScanPage rows", () =>
    Effect.gen(function* () {
      const tables = makeMemoryTables()
      const names = ["1", "2", "3", "4", "5"]
      yield* scene({ tables }, (resolver) =>
        Effect.forEach(names, (name) => resolver.tag("a", name), { discard: true })
      )
      yield* scene({ tables }, (resolver, { asked }) =>
        Effect.gen(function* () {
          for (const name of names) yield* resolver.tag("a", name)
          assert.deepStrictEqual(asked, [])
        })
      )
    }).pipe((effect) => withLimits(effect, ServiceLimits, { tableScanPage: 2 }))
  )
})
