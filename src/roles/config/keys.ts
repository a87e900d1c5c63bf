// How the keys of a configuration are declared: each with its meaning, which the table of settings and --help print, its
// default if it has one, and the names that it had before, which are still read. Knows no role and no file.

import { Effect, Schema } from "effect"

/** A name under which a key is still read. */
export interface Former {
  readonly key: string
  /** What the value under the old name means under the new one. Absent: the same. */
  readonly means?: (value: unknown) => unknown
}

/** What is known of a key besides its schema. `meaning` is a sentence without its full stop. */
export interface KeyNotes {
  readonly meaning: string
  /** As it would be written. */
  readonly byDefault?: unknown
  readonly former: ReadonlyArray<Former>
}

const notesKey = "shoal/key"

const noted = <S extends Schema.Top>(schema: S, notes: KeyNotes): S["Rebuild"] =>
  schema.annotateKey({ [notesKey]: notes })

/** The notes on the key that holds a property's schema. */
export const notesOn = (annotations: Schema.Annotations.Annotations | undefined): KeyNotes | undefined =>
  annotations?.[notesKey] as KeyNotes | undefined

/** A key that has to be given. */
export const required = <S extends Schema.Top>(
  schema: S,
  meaning: string,
  former: ReadonlyArray<Former> = []
) => noted(schema, { meaning, former })

/** A key whose absence means something of its own, which `meaning` tells. */
export const optional = <S extends Schema.Top>(
  schema: S,
  meaning: string,
  former: ReadonlyArray<Former> = []
) => noted(Schema.optionalKey(schema), { meaning, former })

/** A key that has `byDefault`, written as a configuration would say it, when it is left out. */
export const withDefault = <S extends Schema.Top>(
  schema: S,
  byDefault: S["Encoded"],
  meaning: string,
  former: ReadonlyArray<Former> = []
) =>
  noted(Schema.withDecodingDefaultKey<S>(Effect.succeed(byDefault))(schema), {
    meaning,
    byDefault,
    former
  })
