// Checks that a password comes from its file or variable as it is now, and that a missing one is named without it.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { Secrets } from "../../roles/services/secrets.ts"
import { nodeSecrets } from "./node-secrets.ts"

it.effect("a secret is read anew each time, without the line break at its end", () =>
  Effect.gen(function* () {
    const secrets = yield* Secrets
    const folder = mkdtempSync(join(tmpdir(), "shoal-secrets-"))
    const path = join(folder, "password")
    for (const [written, read] of [
      ["first\n", "first"],
      ["second\r\n", "second"],
      [" third ", " third "]
    ] as const) {
      writeFileSync(path, written)
      assert.strictEqual(yield* secrets.read({ tag: "File", path }), read)
    }
    rmSync(folder, { recursive: true })
    const missing = yield* Effect.flip(secrets.read({ tag: "File", path }))
    assert.include(missing.message, path)
    const unset = yield* Effect.flip(secrets.read({ tag: "Environment", variable: "SHOAL_TEST_NO_SUCH" }))
    assert.include(unset.message, "SHOAL_TEST_NO_SUCH is not set")
    process.env.SHOAL_TEST_SECRET = "from the environment"
    const found = yield* secrets.read({ tag: "Environment", variable: "SHOAL_TEST_SECRET" })
    delete process.env.SHOAL_TEST_SECRET
    assert.strictEqual(found, "from the environment")
  }).pipe(Effect.provide(nodeSecrets))
)
