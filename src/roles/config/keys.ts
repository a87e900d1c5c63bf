// How the keys of a configuration are declared: each with its meaning, which the table of settings and --help print,
// its default if it has one, its former names, which are still read, and keys of other roles for which people take it.
// It knows no role and no file.

import { Effect, Schema } from "effect"

/** A former name of a key, which is still read. */
export interface Former {
  readonly key: string
  /** What the value under the old name means under the new one. When absent, the same. */
  readonly means?: (value: unknown) => unknown
}

/** A key of other roles that people expect here. It is refused, with `instead` as the reason. */
export interface Foreign {
  readonly key: string
  readonly instead: string
}

/** Notes on a key besides its schema. `meaning` is a sentence without its full stop. */
export interface KeyNotes {
  readonly meaning: string
  /** The default, as a configuration would write it. */
  readonly byDefault?: unknown
  readonly former: ReadonlyArray<Former>
  /** What this key is given in place of. */
  readonly foreign?: ReadonlyArray<Foreign>
}

const notesKey = "shoal/key"

const noted = <S extends Schema.Top>(schema: S, notes: KeyNotes): S["Rebuild"] =>
  schema.annotateKey({ [notesKey]: notes })

/** The notes on the key that holds a property's schema. */
export const notesOn = (annotations: Schema.Annotations.Annotations | undefined): KeyNotes | undefined =>
  annotations?.[notesKey] as KeyNotes | undefined

/** A key that must be given. */
export const required = <S extends Schema.Top>(
  schema: S,
  meaning: string,
  former: ReadonlyArray<Former> = []
) => noted(schema, { meaning, former })

/** A key whose absence has its own meaning, which `meaning` explains. */
export const optional = <S extends Schema.Top>(
  schema: S,
  meaning: string,
  former: ReadonlyArray<Former> = []
) => noted(Schema.optionalKey(schema), { meaning, former })

/** A key with the default `byDefault`, written as in a configuration. */
export const withDefault = <S extends Schema.Top>(
  schema: S,
  byDefault: S["Encoded"],
  meaning: string,
  former: ReadonlyArray<Former> = [],
  foreign: ReadonlyArray<Foreign> = []
) =>
  noted(Schema.withDecodingDefaultKey<S>(Effect.succeed(byDefault))(schema), {
    meaning,
    byDefault,
    former,
    foreign
  })
