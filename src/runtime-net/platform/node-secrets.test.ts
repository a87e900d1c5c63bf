// Checks that a secret comes from its file or variable as it is now, redacted, and that a missing one is named without
// any content.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Secrets } from "../../roles/services/secrets.ts"
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

it.effect("a secret that is missing, empty or too large is named with its source", () =>
  Effect.gen(function* () {
    const { read } = yield* Secrets
    const path = yield* temporaryFile
    const problem = Effect.map(Effect.flip(read({ tag: "File", path })), ({ message }) => message)
    assert.include(yield* problem, `cannot read a secret from ${path}: there is no such file`)
    writeFileSync(path, "\n")
    assert.include(yield* problem, "it is empty")
    writeFileSync(path, "hunter2".repeat(10_000))
    const tooLarge = yield* problem
    assert.include(tooLarge, "it has more than 65536 bytes")
    assert.notInclude(tooLarge, "hunter2")
    assert.include(
      (yield* Effect.flip(read({ tag: "File", path: "/dev/zero" }))).message,
      "it is no regular file"
    )
    const unset = yield* Effect.flip(read({ tag: "Environment", variable: "SHOAL_TEST_NO_SUCH" }))
    assert.include(unset.message, "the environment variable SHOAL_TEST_NO_SUCH: it is not set")
  }).pipe(Effect.provide(nodeSecrets))
)
