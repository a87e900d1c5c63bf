// Decides where secrets are on this machine: in files and in the environment of the process. A file is read whole and
// must be small; the error says which one and why, and nothing of its content.

import { readFileSync } from "node:fs"
import { Effect, Layer } from "effect"
import { type SecretSource, Secrets, SecretUnavailable } from "../../roles/services/secrets.ts"

const read = (source: SecretSource): string => {
  if (source.tag === "Environment") {
    const value = process.env[source.variable]
    if (value === undefined) throw new Error(`the environment variable ${source.variable} is not set`)
    return value
  }
  return readFileSync(source.path, "utf8").replace(/\r?\n$/, "")
}

export const nodeSecrets: Layer.Layer<never> = Layer.succeed(Secrets, {
  read: (source) =>
    Effect.try({
      try: () => read(source),
      catch: (error) =>
        new SecretUnavailable({
          message: `cannot read a password: ${error instanceof Error ? error.message : String(error)}`
        })
    })
})
