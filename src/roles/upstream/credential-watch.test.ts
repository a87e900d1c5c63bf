// An upstream that refuses the configured credentials is told in the log, once per change, however many requests are
// refused and however often it changes its mind.

import { assert, it } from "@effect/vitest"
import { Context, Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { describe } from "vitest"
import {
  dockerHub,
  type FakeUpstreamState,
  fakeUpstream,
  publishImage
} from "../../../testing/roles/fake-upstream.ts"
import { logged } from "../../../testing/roles/logged.ts"
import { makeMemoryWorld } from "../../../testing/roles/memory-world.ts"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { seconds } from "../../protocol/kit/time.ts"
import { Secrets, SecretUnavailable } from "../services/secrets.ts"
import { UpstreamLimits } from "./limits.ts"
import { upstreamConfig } from "./mirror-config.ts"
import { makeUpstreamRegistry, type UpstreamRegistry } from "./upstream-registry.ts"

interface Scene {
  readonly state: FakeUpstreamState
  /** Asks for a tag of each of these repositories; whether they are there does not matter. */
  readonly pull: (...repositories: ReadonlyArray<string>) => Effect.Effect<void>
  /** Lines since the last call. */
  readonly lines: () => ReadonlyArray<string>
  /** Undefined when it cannot be read. */
  secret: string | undefined
}

const withUpstream = (test: (scene: Scene) => Effect.Effect<void>, hasCredentials = true) =>
  Effect.gen(function* () {
    const into: Array<string> = []
    const world = makeMemoryWorld()
    const running = yield* world.start(fakeUpstream(dockerHub))
    const secrets: Secrets = {
      read: () =>
        Effect.suspend(() =>
          scene.secret === undefined
            ? Effect.fail(new SecretUnavailable({ message: "the file that it names does not exist" }))
            : Effect.succeed(Redacted.make(scene.secret))
        )
    }
    const registry: UpstreamRegistry = yield* makeUpstreamRegistry(
      upstreamConfig({
        name: "docker.io",
        url: "https://registry-1.docker.io:1",
        ...(hasCredentials ? { credentials: { username: "robot", password: "env:PASSWORD" } } : {})
      })
    ).pipe(
      (made) => withLimits(made, UpstreamLimits, { credentialWarningPause: seconds(60) }),
      Effect.provide(Context.add(world.services, Secrets, secrets))
    )
    const { state } = running.role
    state.credentials = { username: "robot", password: "secret" }
    for (const name of ["a/b", "a/c", "a/d"]) publishImage(state, name, "1", [])
    const scene: Scene = {
      state,
      secret: "secret",
      pull: (...repositories) =>
        logged(
          Effect.forEach(
            repositories,
            (repository) => Effect.exit(registry.head(repository, { tag: "Tag", name: "1" })),
            { discard: true }
          ),
          into
        ),
      lines: () => into.splice(0)
    }
    yield* Effect.ensuring(test(scene), running.stop)
  })

const again = "Info an upstream accepts the configured credentials again upstream=docker.io"

describe("an upstream that refuses the configured credentials", () => {
  for (const auth of ["basic", "bearer"] as const) {
    it.effect(`is told once when it stops and once when it starts to take them (${auth})`, () =>
      withUpstream((scene) =>
        Effect.gen(function* () {
          scene.state.auth = auth
          yield* scene.pull("a/b", "a/b")
          assert.deepStrictEqual(scene.lines(), [])
          scene.secret = "hunter2"
          // Cached tokens have expired.
          yield* TestClock.adjust("1 hour")
          yield* scene.pull("a/b", "a/b", "a/c", "a/d")
          const refused = scene.lines()
          assert.strictEqual(refused.length, 1, refused.join("\n"))
          assert.match(
            refused[0]!,
            auth === "basic"
              ? /^Warn an upstream cannot be used as it is configured: it answered 401 to its credentials upstream=docker\.io$/
              : /^Warn an upstream cannot be used as it is configured: the token server auth\.docker\.io:2 answered 401/
          )
          scene.secret = "secret"
          yield* scene.pull("a/b", "a/c")
          assert.deepStrictEqual(scene.lines(), [again])
        })
      )
    )
  }

  it.effect("is told at most once a minute when it changes its mind", () =>
    withUpstream((scene) =>
      Effect.gen(function* () {
        scene.state.auth = "basic"
        const flap = Effect.gen(function* () {
          for (const secret of ["hunter2", "secret", "hunter2", "secret"]) {
            scene.secret = secret
            yield* scene.pull("a/b")
          }
        })
        yield* flap
        assert.strictEqual(scene.lines().length, 2)
        yield* TestClock.adjust("59 seconds")
        yield* flap
        assert.deepStrictEqual(scene.lines(), [])
        yield* TestClock.adjust("1 second")
        yield* flap
        assert.strictEqual(scene.lines().length, 2)
      })
    )
  )

  it.effect("is told with the reason when they cannot be read or are missing", () =>
    Effect.gen(function* () {
      yield* withUpstream((scene) =>
        Effect.gen(function* () {
          scene.state.auth = "basic"
          scene.secret = undefined
          yield* scene.pull("a/b", "a/c")
          assert.deepStrictEqual(scene.lines(), [
            "Warn an upstream cannot be used as it is configured: the password cannot be read: the file that it names does not exist upstream=docker.io"
          ])
        })
      )
      yield* withUpstream(
        (scene) =>
          Effect.gen(function* () {
            scene.state.auth = "basic"
            yield* scene.pull("a/b", "a/c")
            assert.deepStrictEqual(scene.lines(), [
              "Warn an upstream cannot be used as it is configured: it requires credentials (basic), and its configuration has none for that upstream=docker.io"
            ])
          }),
        false
      )
    })
  )

  it.effect("is not told of repositories that the credentials may not read", () =>
    withUpstream((scene) =>
      Effect.gen(function* () {
        scene.state.auth = "bearer"
        scene.state.failing = { status: 403 }
        yield* scene.pull("a/b", "a/c")
        scene.state.failing = undefined
        yield* scene.pull("a/unknown")
        assert.deepStrictEqual(scene.lines(), [])
      })
    )
  )
})
