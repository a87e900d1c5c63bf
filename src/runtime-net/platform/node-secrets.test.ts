// Checks that a secret comes from its file or variable as it is now, redacted, and that an error shows neither the
// content nor the name of its source.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { withLimits } from "../../../testing/roles/with-limits.ts"
import { Secrets } from "../../roles/services/secrets.ts"
import { PlatformLimits } from "./limits.ts"
import { nodeSecrets } from "./node-secrets.ts"

const temporaryFile = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "shoal-secrets-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  ),
  (folder) => join(folder, "password")
)

it.effect("a secret is read anew each time, without the line break at its end", () =>
  Effect.gen(function* () {
    const secrets = yield* Secrets
    const path = yield* temporaryFile
    for (const [written, read] of [
      ["first\n", "first"],
      ["second\r\n", "second"],
      [" third ", " third "]
    ] as const) {
      writeFileSync(path, written)
      const secret = yield* secrets.read({ tag: "File", path })
      assert.strictEqual(Redacted.value(secret), read)
      assert.notInclude(`${secret} ${JSON.stringify(secret)}`, read)
    }
    process.env.SHOAL_TEST_SECRET = "from the environment"
    const found = yield* secrets.read({ tag: "Environment", variable: "SHOAL_TEST_SECRET" })
    delete process.env.SHOAL_TEST_SECRET
    assert.strictEqual(Redacted.value(found), "from the environment")
  }).pipe(Effect.provide(nodeSecrets))
)

it.effect(
  "a secret that is missing, empty or too large is told with its reason, without name and content",
  () =>
    Effect.gen(function* () {
      const { read } = yield* Secrets
      const path = yield* temporaryFile
      const problem = Effect.map(Effect.flip(read({ tag: "File", path })), ({ message }) => message)
      assert.strictEqual(yield* problem, "the file that it names does not exist (ENOENT)")
      writeFileSync(path, "\n")
      assert.strictEqual(yield* problem, "the file that it names is empty")
      writeFileSync(path, "hunter2")
      assert.strictEqual(Redacted.value(yield* read({ tag: "File", path })), "hunter2")
      const tooLarge = yield* withLimits(problem, PlatformLimits, { maxSecretBytes: 6 })
      assert.strictEqual(tooLarge, "the file that it names has more than 6 bytes")
      assert.include(
        (yield* Effect.flip(read({ tag: "File", path: "/dev/zero" }))).message,
        "is no regular file"
      )
      for (const mistyped of ["hunter2", "hunter2/".repeat(1000), "hunter2\0", `${path}/hunter2`]) {
        const { message } = yield* Effect.flip(read({ tag: "File", path: mistyped }))
        assert.match(message, /^the file that it names [a-z ]+ \([A-Z_]+\)$/)
      }
      const unset = yield* Effect.flip(read({ tag: "Environment", variable: "SHOAL_TEST_NO_SUCH" }))
      assert.strictEqual(unset.message, "the environment variable that it names is not set")
    }).pipe(Effect.provide(nodeSecrets))
)
