// Secrets in a configuration: "@/run/secrets/hub" names a file, "env:HUB_PASSWORD" an environment variable, and
// anything else is the secret itself, which is redacted from then on. A named secret is read where it is needed
// (services/secrets.ts), so this file does not know files. A secret that begins with "@" or "env:" must be in a file.

import { Effect, Redacted, Schema, SchemaIssue, SchemaTransformation } from "effect"

const SecretSource = Schema.Union([
  Schema.Struct({ tag: Schema.Literal("Literal"), value: Schema.Redacted(Schema.String) }),
  Schema.Struct({ tag: Schema.Literal("File"), path: Schema.String }),
  Schema.Struct({ tag: Schema.Literal("Environment"), variable: Schema.String })
])
export type SecretSource = typeof SecretSource.Type

/** The type of settings that hold secrets. It keeps their values out of messages. */
export const secretTitle = "secret"

const expected = '"@FILE", "env:NAME", or the secret itself as text'

const sourceOf = (written: string): SecretSource | undefined => {
  if (written.startsWith("@")) return written.length > 1 ? { tag: "File", path: written.slice(1) } : undefined
  if (!written.startsWith("env:")) {
    return written === "" ? undefined : { tag: "Literal", value: Redacted.make(written) }
  }
  const variable = written.slice("env:".length)
  return /^[^=\s]+$/.test(variable) ? { tag: "Environment", variable } : undefined
}

const writtenFor = (source: SecretSource): string => {
  if (source.tag === "File") return `@${source.path}`
  return source.tag === "Environment" ? `env:${source.variable}` : Redacted.value(source.value)
}

export const Secret = Schema.String.annotate({ message: `Expected ${expected}` })
  .pipe(
    Schema.decodeTo(
      Schema.toType(SecretSource),
      SchemaTransformation.transformEffect<SecretSource, string>({
        decode: (written, options) => {
          const source = sourceOf(written)
          return source === undefined
            ? Effect.fail(new SchemaIssue.InvalidValue({ expected }, written, options))
            : Effect.succeed(source)
        },
        encode: (source) => Effect.succeed(writtenFor(source))
      })
    )
  )
  .annotate({ title: secretTitle })
