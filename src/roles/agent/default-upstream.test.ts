// Tests of the default upstream: a bare name is the cluster's own repository or the upstream's, never a mixture, and
// the last known of the two while no build-index answers.

import { assert, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { type ImageSource, ImageUnavailable, ImageUnknown } from "../registry/image-source.ts"
import { UpstreamLimits } from "../upstream/limits.ts"
import { makeMirrorNames } from "../upstream/mirror-names.ts"
import { withDefaultUpstream } from "./default-upstream.ts"

const digest = `sha256:${"a".repeat(64)}` as Digest

/** A source that records the repositories of its questions. Only `own` has tags, and only tag "1". */
const makeSource = () => {
  const asked: Array<string> = []
  const state = { asked, own: new Set<string>(), isAway: false }
  const unused = () => Effect.die("not asked in this test")
  const note = (repository: string) => Effect.sync(() => void asked.push(repository))
  const source: ImageSource = {
    resolve: (repository, reference) => {
      asked.push(repository)
      return reference.tag === "Tag" && reference.name === "1"
        ? Effect.succeed({ digest, mediaType: "x", size: 1 })
        : Effect.fail(new ImageUnknown({ what: "manifest", message: "no such tag" }))
    },
    manifest: (repository) => Effect.as(note(repository), new Uint8Array()),
    statBlob: (repository) => {
      asked.push(repository)
      return Effect.succeed({ length: 1 })
    },
    prepareBlob: note,
    readBlob: (repository) => {
      asked.push(repository)
      return Stream.empty
    },
    tags: (repository) => {
      if (state.isAway) return Effect.fail(new ImageUnavailable({ message: "away" }))
      if (state.own.has(repository)) return Effect.succeed(["1"])
      return Effect.fail(new ImageUnknown({ what: "repository", message: "no such repository" }))
    },
    referrers: (repository) => Effect.as(note(repository), { referrers: [], more: false }),
    history: (repository) => Effect.as(note(repository), []),
    repositories: unused
  }
  return { state, source }
}

const names = makeMirrorNames([{ name: "docker.io", aliases: [] }], "docker.io")
const tag = (name: string) => ({ tag: "Tag", name }) as const

describe("what a name refers to", () => {
  it.effect("is remembered for maxUpstreamAnswers names", () =>
    Effect.gen(function* () {
      const { state, source } = makeSource()
      let looks = 0
      const counting = {
        ...source,
        tags: (...[repository, page]: Parameters<ImageSource["tags"]>) => {
          looks++
          assert.deepStrictEqual(page, { limit: 1 }, "one tag shows that the repository exists")
          return source.tags(repository, page)
        }
      }
      const images = yield* withLimits(withDefaultUpstream(counting, names), UpstreamLimits, {
        maxUpstreamAnswers: 2
      })
      const resolve = (name: string) => images.resolve(name, tag("1"))
      for (const name of ["library/a", "library/b", "library/a", "library/c"]) yield* resolve(name)
      assert.strictEqual(looks, 3)
      yield* resolve("library/b")
      assert.strictEqual(looks, 4, "forgotten among the fresh answers")
      state.isAway = true
      yield* TestClock.adjust("1 hours")
      const outcomes = yield* Effect.forEach(["library/a", "library/b", "library/c"], (name) =>
        Effect.match(resolve(name), { onSuccess: () => "known", onFailure: () => "forgotten" })
      )
      assert.deepStrictEqual(outcomes, ["forgotten", "known", "known"])
    })
  )
})

describe("a repository name without ns", () => {
  it.effect("is the upstream's only if the cluster has no repository of that name", () =>
    Effect.gen(function* () {
      const { state, source } = makeSource()
      state.own.add("library/own")
      const images = yield* withDefaultUpstream(source, names)
      yield* images.resolve("library/app", tag("1"))
      yield* images.statBlob("library/app", digest)
      yield* images.resolve("docker.io/library/app", tag("1"))
      yield* images.resolve("library/own", tag("1"))
      // A tag that the cluster's repository lacks is not looked up at the upstream.
      const absent = yield* Effect.flip(images.resolve("library/own", tag("2")))
      assert.strictEqual(absent._tag, "ImageUnknown")
      assert.deepStrictEqual(state.asked, [
        "docker.io/library/app",
        "docker.io/library/app",
        "docker.io/library/app",
        "library/own",
        "library/own"
      ])
    })
  )

  it.effect("is the same repository in every question", () =>
    Effect.gen(function* () {
      const { state, source } = makeSource()
      state.own.add("library/own")
      const images = yield* withDefaultUpstream(source, names)
      const whole = { ranges: [{ start: 0, end: 1 }], isWhole: true }
      for (const [name, meant] of [
        ["library/app", "docker.io/library/app"],
        ["library/own", "library/own"]
      ] as const) {
        state.asked.length = 0
        yield* images.manifest(name, { digest, mediaType: "x", size: 1 })
        yield* images.statBlob(name, digest)
        yield* images.prepareBlob!(name, digest, whole)
        yield* Stream.runDrain(images.readBlob(name, digest, whole))
        yield* images.referrers(name, digest, { limit: 1 }, undefined)
        yield* images.history(name, "1")
        assert.deepStrictEqual(
          state.asked,
          Array.from({ length: 6 }, () => meant)
        )
      }
      const { prepareBlob: _prepareBlob, ...without } = source
      assert.isUndefined((yield* withDefaultUpstream(without, names)).prepareBlob)
    })
  )

  it.effect("is looked up again after a while, and stays as last known while no build-index answers", () =>
    Effect.gen(function* () {
      const { state, source } = makeSource()
      const images = yield* withDefaultUpstream(source, names)
      yield* images.resolve("library/app", tag("1"))
      state.own.add("library/app")
      yield* TestClock.adjust("5 seconds")
      yield* images.resolve("library/app", tag("1"))
      state.isAway = true
      yield* TestClock.adjust("5 seconds")
      yield* images.resolve("library/app", tag("1"))
      const never = yield* Effect.flip(images.resolve("library/never", tag("1")))
      assert.strictEqual(never._tag, "ImageUnavailable")
      assert.deepStrictEqual(state.asked, ["docker.io/library/app", "library/app", "library/app"])
    })
  )
})
