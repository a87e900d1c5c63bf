// Secrets service: reads a secret from the file or the environment variable that a configuration names. It reads the
// source at each use, so a rotated secret needs no restart. A world without secrets fails every read. Secrets are
// redacted values, so no log line, error or dump shows one.

import { Context, Data, Effect, type Redacted } from "effect"
import type { SecretSource } from "../config/secret.ts"

/** A secret that is somewhere else than in the configuration. */
export type SecretReference = Exclude<SecretSource, { readonly tag: "Literal" }>

/** `message` says why, and neither the secret nor the name of its source, which may be a secret that was mistyped. */
export class SecretUnavailable extends Data.TaggedError("SecretUnavailable")<{ readonly message: string }> {}

export interface Secrets {
  /** Reads the secret, without a line break at its end. */
  readonly read: (source: SecretReference) => Effect.Effect<Redacted.Redacted, SecretUnavailable>
}

export const Secrets: Context.Reference<Secrets> = Context.Reference("shoal/roles/Secrets", {
  defaultValue: (): Secrets => ({
    read: () => Effect.fail(new SecretUnavailable({ message: "this host has no secrets" }))
  })
})

export const secretOf = (
  secrets: Secrets,
  source: SecretSource
): Effect.Effect<Redacted.Redacted, SecretUnavailable> =>
  source.tag === "Literal" ? Effect.succeed(source.value) : secrets.read(source)
