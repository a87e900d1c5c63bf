// How a role gets a secret that its configuration gives or only names: a file or an environment variable is read anew
// each time, so that a rotated one is used without a restart. A world without secrets has none to read. What comes from
// here is redacted: a log line, an error or a dump of it shows nothing.

import { Context, Data, Effect, type Redacted } from "effect"
import type { SecretSource } from "../config/secret.ts"

/** A secret that is somewhere else than in the configuration. */
export type SecretReference = Exclude<SecretSource, { readonly tag: "Literal" }>

/** `message` names the source, never the secret. */
export class SecretUnavailable extends Data.TaggedError("SecretUnavailable")<{ readonly message: string }> {}

export interface Secrets {
  /** The secret without the line break at its end. */
  readonly read: (source: SecretReference) => Effect.Effect<Redacted.Redacted, SecretUnavailable>
}

export const Secrets: Context.Reference<Secrets> = Context.Reference("shoal/roles/Secrets", {
  defaultValue: (): Secrets => ({
    read: () => Effect.fail(new SecretUnavailable({ message: "this host keeps no secrets" }))
  })
})

export const secretOf = (
  secrets: Secrets,
  source: SecretSource
): Effect.Effect<Redacted.Redacted, SecretUnavailable> =>
  source.tag === "Literal" ? Effect.succeed(source.value) : secrets.read(source)
