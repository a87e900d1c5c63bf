// Text forms of the options of experiments: counts, byte sizes, byte rates, durations, choices and names. Each is a
// codec between what a person types ("256MiB", "300MB/s", "0.5ms") and a number in one unit (bytes, bytes per second,
// microseconds). Invariant: encoded text is canonical and has no blanks, so that it fits into a shell command.

import { Effect, Schema, SchemaGetter, SchemaIssue } from "effect"
import type { Micros } from "../../src/protocol/kit/time.ts"

/** A codec whose encoded side is what a person types. */
export type OptionCodec<A> = Schema.Codec<A, string>

const fromText = <A>(
  value: Schema.Codec<A>,
  expected: string,
  parse: (text: string) => A | undefined,
  format: (value: A) => string
): OptionCodec<A> =>
  Schema.String.pipe(
    Schema.decodeTo(value, {
      decode: SchemaGetter.transformEffect((text: string, options) => {
        const parsed = parse(text.trim())
        return parsed === undefined
          ? Effect.fail(
              new SchemaIssue.InvalidValue({ message: `expected ${expected}, got "${text}"` }, text, options)
            )
          : Effect.succeed(parsed)
      }),
      encode: SchemaGetter.transform(format)
    })
  )

const wholeNumber = /^[0-9]+$/

/** A whole number from `minimum` to `maximum`. */
export const countText = (minimum: number, maximum: number): OptionCodec<number> =>
  fromText(
    Schema.Number,
    `a whole number from ${minimum} to ${maximum}`,
    (text) => {
      const value = Number(text)
      return wholeNumber.test(text) && value >= minimum && value <= maximum ? value : undefined
    },
    String
  )

/** Units in the order in which the canonical text tries them. */
const byteUnits: ReadonlyArray<readonly [name: string, bytes: number]> = [
  ["GiB", 1024 ** 3],
  ["GB", 1e9],
  ["MiB", 1024 ** 2],
  ["MB", 1e6],
  ["KiB", 1024],
  ["kB", 1e3],
  ["B", 1]
]

/** Rates of links are often given in bits; they are read, and written in bytes. */
const bitUnits: ReadonlyArray<readonly [name: string, bytes: number]> = [
  ["Gbit", 125e6],
  ["Mbit", 125e3],
  ["kbit", 125]
]

const durationUnits: ReadonlyArray<readonly [name: string, micros: number]> = [
  ["s", 1_000_000],
  ["ms", 1_000],
  ["us", 1]
]

const quantity = /^([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]*)$/

/** The number in the smallest unit that `text` stands for, if it is whole and safe. */
const parseQuantity = (
  text: string,
  units: ReadonlyArray<readonly [string, number]>,
  withoutUnit: number | undefined
): number | undefined => {
  const match = quantity.exec(text)
  if (match === null) return undefined
  const name = (match[2] ?? "").toLowerCase()
  const unit = name === "" ? withoutUnit : units.find(([known]) => known.toLowerCase() === name)?.[1]
  if (unit === undefined) return undefined
  const value = Math.round(Number(match[1]) * unit)
  return Number.isSafeInteger(value) ? value : undefined
}

const formatQuantity = (value: number, units: ReadonlyArray<readonly [string, number]>): string => {
  const [name = "", unit = 1] =
    units.find(([, known]) => value >= known && value % known === 0) ?? units.at(-1) ?? []
  return `${value / unit}${name}`
}

/** A size in bytes, at least 1. */
export const byteSizeText: OptionCodec<number> = fromText(
  Schema.Number,
  `a size such as 256MiB or 4000000`,
  (text) => {
    const bytes = parseQuantity(text, byteUnits, 1)
    return bytes !== undefined && bytes > 0 ? bytes : undefined
  },
  (bytes) => formatQuantity(bytes, byteUnits)
)

/** A rate in bytes per second, at least 1. */
export const byteRateText: OptionCodec<number> = fromText(
  Schema.Number,
  `a rate such as 300MB/s or 20Mbit/s`,
  (text) => {
    const bytes = parseQuantity(text.replace(/\/s$/, ""), [...byteUnits, ...bitUnits], 1)
    return bytes !== undefined && bytes > 0 ? bytes : undefined
  },
  (bytes) => `${formatQuantity(bytes, byteUnits)}/s`
)

/** A duration in whole microseconds, zero allowed; the canonical unit may carry a fraction ("0.5ms"). */
export const durationText: OptionCodec<Micros> = fromText(
  Schema.Number,
  `a duration such as 0.5ms, 20ms or 1s`,
  (text) => parseQuantity(text, durationUnits, undefined),
  (micros) =>
    micros > 0 && micros < 1_000 && micros % 100 === 0
      ? `${micros / 1_000}ms`
      : formatQuantity(micros, durationUnits)
)

/** One of a few words. */
export const choiceText = <const Choice extends string>(
  choices: ReadonlyArray<Choice>
): OptionCodec<Choice> =>
  fromText(
    Schema.Literals(choices),
    `one of ${choices.join(", ")}`,
    (text) => choices.find((choice) => choice === text),
    (choice) => choice
  )

const name = /^[a-z][a-z0-9-]*$/

/** Distinct names in lower case, separated by commas. It does not know which names exist. */
export const namesText: OptionCodec<ReadonlyArray<string>> = fromText(
  Schema.Array(Schema.String),
  "names with commas between them",
  (text) => {
    const names = text.split(",").map((part) => part.trim())
    return names.every((part) => name.test(part)) ? [...new Set(names)] : undefined
  },
  (names) => names.join(",")
)
