// Decides how a role reads a password that its configuration only names: a file or an environment variable, read anew
// each time, so that a rotated one is used without a restart. A world without secrets has none to give.

import { Context, Data, Effect } from "effect"

export type SecretSource =
  | { readonly tag: "File"; readonly path: string }
  | { readonly tag: "Environment"; readonly variable: string }

/** `message` names the source, never the secret. */
export class SecretUnavailable extends Data.TaggedError("SecretUnavailable")<{ readonly message: string }> {}

export interface Secrets {
  /** The secret without the line break at its end. */
  readonly read: (source: SecretSource) => Effect.Effect<string, SecretUnavailable>
}

export const Secrets: Context.Reference<Secrets> = Context.Reference("shoal/roles/Secrets", {
  defaultValue: (): Secrets => ({
    read: () => Effect.fail(new SecretUnavailable({ message: "this host keeps no secrets" }))
  })
})
