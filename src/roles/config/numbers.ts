// The numbers of configurations: whole ones with a range, and the default of a key that is left out. Knows no role.

import { Effect, Schema } from "effect"

export const PositiveInt = Schema.Int.check(Schema.isGreaterThan(0))

/** A part of a whole: more than nothing, at most all of it. */
export const Fraction = Schema.Number.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(1))

export const defaultTo = <const Default extends number>(schema: typeof Schema.Int, value: Default) =>
  schema.pipe(Schema.withDecodingDefaultKey(Effect.succeed(value)))
