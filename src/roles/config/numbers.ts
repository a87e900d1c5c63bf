// The numbers of configurations, and the defaults of keys that are left out. Knows no role.

import { Effect, Schema } from "effect"

export const PositiveInt = Schema.Int.check(Schema.isGreaterThan(0))

/** A part of a whole: more than nothing, at most all of it. */
export const Fraction = Schema.Number.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(1))

/** A key that may be left out; `value` is what a configuration would say. */
export const defaultTo = <S extends Schema.Constraint>(schema: S, value: S["Encoded"]) =>
  Schema.withDecodingDefaultKey<S>(Effect.succeed(value))(schema)
