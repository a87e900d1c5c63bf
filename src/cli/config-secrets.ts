// Sees that every secret that a configuration names can be read, before anything is opened: a role that starts without
// its password fails when somebody pulls, which is too late. The secret itself is let go at once; roles read it anew.

import { Effect } from "effect"
import type { SecretSource } from "../roles/config/secret.ts"
import { secretTitle } from "../roles/config/secret.ts"
import type { Secrets } from "../roles/services/secrets.ts"
import { CliFailure } from "./cli-failure.ts"
import type { Setting } from "./settings.ts"

interface Found {
  readonly path: ReadonlyArray<string>
  readonly source: SecretSource
}

/** Every value of the configuration that a setting's path means. */
const valuesAt = (
  value: unknown,
  pattern: ReadonlyArray<string>,
  path: ReadonlyArray<string> = []
): ReadonlyArray<Found> => {
  if (value === undefined) return []
  const [key, ...rest] = pattern
  if (key === undefined) return [{ path, source: value as SecretSource }]
  if (key !== "[]") return valuesAt((value as Readonly<Record<string, unknown>>)[key], rest, [...path, key])
  return (value as ReadonlyArray<unknown>).flatMap((element, index) =>
    valuesAt(element, rest, [...path, String(index)])
  )
}

/** Fails with every secret that cannot be read; `file` is only named. */
export const checkSecrets = (
  config: unknown,
  settings: ReadonlyArray<Setting>,
  file: string | undefined,
  read: Secrets["read"]
): Effect.Effect<void, CliFailure> =>
  Effect.gen(function* () {
    const found = settings
      .filter(({ type }) => type === secretTitle)
      .flatMap(({ path }) => valuesAt(config, path))
    const problems: Array<string> = []
    for (const { path, source } of found) {
      if (source.tag === "Literal") continue
      const prefix = file === undefined ? "" : `${file}: `
      yield* Effect.catch(Effect.asVoid(read(source)), ({ message }) =>
        Effect.sync(() => void problems.push(`${prefix}${path.join(".")}: ${message}`))
      )
    }
    if (problems.length > 0) return yield* new CliFailure({ message: problems.join("; ") })
  })
