// Decides how a full report tells whether its figures still hold after its sources changed: beside it lies the hash of
// the small version's result that stood when it was made. A change that leaves the small version the same to the byte
// (CI compares it with a new run) did not change what it measures; a fingerprint cannot tell that from one that did.

import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect } from "effect"
import type { ReportFile } from "./report-files.ts"

const fileName = "small-version.sha256"

const textOf = (path: string): Effect.Effect<string | undefined> =>
  Effect.orElseSucceed(
    Effect.tryPromise(() => readFile(path, "utf8")),
    () => undefined
  )

const hashNow = (reports: string, name: string): Effect.Effect<string | undefined> =>
  Effect.map(textOf(join(reports, "quick", name, "result.json")), (text) =>
    text === undefined ? undefined : `${createHash("sha256").update(text).digest("hex")}\n`
  )

/** The file to lie beside a full report that is made now; none when there is no small version. */
export const smallVersionFiles = (reports: string, name: string): Effect.Effect<ReadonlyArray<ReportFile>> =>
  Effect.map(hashNow(reports, name), (hash) => (hash === undefined ? [] : [{ name: fileName, text: hash }]))

/** Whether the small version is what it was when the full report was made. */
export const smallVersionStands = (reports: string, name: string): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    const before = yield* textOf(join(reports, name, fileName))
    return before !== undefined && before === (yield* hashNow(reports, name))
  })
