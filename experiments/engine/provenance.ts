// What a full report was made from, kept beside it in provenance.json: the fingerprint of the code, and the hash of
// what the small version found at that time. The first stays the same as long as the code does, whatever its parts are
// called and wherever they are. Where it differs, the second separates a change that leaves the small version's figures
// as they were (CI compares them with a new run) from one that does not. Words and the trace hash are not in it.

import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Schema } from "effect"
import type { Standing } from "../report/index-page.ts"
import type { ReportFile } from "../report/report-files.ts"
import { canonicalJson, decodeResult, type Result } from "../report/result.ts"

const fileName = "provenance.json"

const Provenance = Schema.Struct({
  /** Fingerprint of the code. */
  code: Schema.NonEmptyString,
  /** SHA-256 of the small version's times and figures; absent when there was none. */
  small_version: Schema.optionalKey(Schema.NonEmptyString)
})
const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Provenance))

const hashOfFindings = ({ options, seeds, strategies, figures }: Result): string => {
  const values = Object.entries(figures).map(([name, { value }]) => [name, value])
  return createHash("sha256")
    .update(canonicalJson([options, seeds, strategies, values]))
    .digest("hex")
}

const smallVersionNow = (reports: string, name: string): Effect.Effect<string | undefined> =>
  Effect.tryPromise(() => readFile(join(reports, "quick", name, "result.json"), "utf8")).pipe(
    Effect.flatMap(decodeResult),
    Effect.map(hashOfFindings),
    Effect.orElseSucceed(() => undefined)
  )

/** The provenance of a full report that this code makes now. */
export const provenanceFile = (reports: string, name: string, code: string): Effect.Effect<ReportFile> =>
  Effect.map(smallVersionNow(reports, name), (small) => {
    const provenance: typeof Provenance.Type = small === undefined ? { code } : { code, small_version: small }
    return { name: fileName, text: `${JSON.stringify(provenance, undefined, 2)}\n` }
  })

/** The relation of the full report to the present code; "changed" when its provenance cannot be read. */
export const standingOf = (reports: string, name: string, code: string): Effect.Effect<Standing> =>
  Effect.gen(function* () {
    const made = yield* Effect.flatMap(
      Effect.tryPromise(() => readFile(join(reports, name, fileName), "utf8")),
      decode
    )
    const small = yield* smallVersionNow(reports, name)
    if (made.small_version !== undefined && made.small_version !== small) return "changed"
    if (made.code === code) return "same"
    return made.small_version === undefined ? "changed" : "changed, small version the same"
  }).pipe(Effect.orElseSucceed(() => "changed" as const))
