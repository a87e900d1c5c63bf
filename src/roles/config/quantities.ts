// Sizes, rates and durations as people write them: "100GB", "200MB/s", "5 minutes". A number without a unit means
// bytes, bytes per second, or seconds. Sizes and rates become whole numbers of bytes, durations become Effect's. A
// value out of range is refused in the units that people write. It knows no role.

import { ByteSize, Duration, Effect, Option, Schema, SchemaIssue, SchemaTransformation } from "effect"
import type { Micros } from "../../protocol/kit/time.ts"

/** A number, or text with a unit. */
const quantity = <To extends Schema.Top>(
  to: To,
  title: string,
  expected: string,
  read: (written: number | string) => To["Encoded"] | undefined,
  write: (quantity: To["Encoded"]) => number
) =>
  Schema.Union([Schema.Number, Schema.String])
    .annotate({ expected })
    .pipe(
      Schema.decodeTo(
        to,
        SchemaTransformation.transformEffect<To["Encoded"], number | string>({
          decode: (written, options) => {
            const found = read(written)
            return found === undefined
              ? Effect.fail(new SchemaIssue.InvalidValue({ expected }, written, options))
              : Effect.succeed(found)
          },
          encode: (value) => Effect.succeed(write(value))
        })
      )
    )
    .annotate({ title })

/** Digits alone, as in a flag. */
const plain = (written: number | string): number | undefined => {
  if (typeof written === "number") return written
  return /^\d+(?:\.\d+)?$/.test(written) ? Number(written) : undefined
}

const bytesIn = (text: string): number | undefined =>
  Option.getOrUndefined(Option.flatMap(ByteSize.fromString(text), ByteSize.toNumber))

/** "4 MiB", "100 GB": in the largest unit of which it is a whole number. */
export const sizeText = (bytes: number): string => {
  const inUnits = (["decimal", "binary"] as const).map((system) =>
    ByteSize.format(ByteSize.bytes(bytes), { system, precision: 3 })
  )
  const exact = inUnits.filter((text) => bytesIn(text) === bytes)
  return exact.sort((one, other) => one.length - other.length)[0] ?? `${bytes} B`
}

const units = ["week", "day", "hour", "minute", "second"] as const

/** "5 minutes", "1 day": in the largest unit of which it is a whole number. */
export const durationText = (duration: Duration.Duration): string => {
  const millis = Duration.toMillis(duration)
  for (const unit of units) {
    const count = millis / Duration.toMillis(`1 ${unit}`)
    if (Number.isInteger(count) && count >= 1) return `${count} ${unit}${count === 1 ? "" : "s"}`
  }
  return `${millis / 1000} seconds`
}

const rangeText = (least: string, most: string | undefined): string =>
  most === undefined ? `, at least ${least}` : `, from ${least} to ${most}`

/** A size in bytes. `example` is a plausible value for the error message. */
export const size = (example: string, most?: number) => {
  const range = rangeText("1 byte", most === undefined ? undefined : sizeText(most))
  return quantity(
    Schema.Number,
    "size",
    `a size such as "${example}", or a number of bytes${range}`,
    (written) => {
      const bytes = plain(written) ?? bytesIn(String(written))
      return Number.isSafeInteger(bytes) && bytes! >= 1 && bytes! <= (most ?? bytes!) ? bytes : undefined
    },
    (bytes) => bytes
  )
}

/** Bytes per second. The text needs its "/s", because a rate is easily taken for a size, and bits for bytes. */
export const Rate = quantity(
  Schema.Number,
  "rate",
  'a rate such as "200MB/s", or a number of bytes a second, at least 1',
  (written) => {
    const perSecond = /^(.*)\/\s*s\s*$/.exec(String(written))?.[1]
    const bytes = plain(written) ?? (perSecond === undefined ? undefined : bytesIn(perSecond))
    return Number.isSafeInteger(bytes) && bytes! >= 1 ? bytes : undefined
  },
  (rate) => rate
)

/** A duration in Effect's own text, "5 minutes", or in ISO 8601, "PT5M". `least` and `most` are part of the range. */
export const duration = (range: { readonly least: Duration.Input; readonly most?: Duration.Input }) => {
  const least = Duration.fromInputUnsafe(range.least)
  const most = range.most === undefined ? undefined : Duration.fromInputUnsafe(range.most)
  return quantity(
    Schema.Duration,
    "duration",
    `a duration such as "5 minutes", "30 seconds" or "PT1H", or a number of seconds${rangeText(durationText(least), most && durationText(most))}`,
    (written) => {
      const found = durationIn(written)
      const fits =
        found !== undefined &&
        Duration.isFinite(found) &&
        Duration.isGreaterThanOrEqualTo(found, least) &&
        (most === undefined || Duration.isLessThanOrEqualTo(found, most))
      return fits ? found : undefined
    },
    Duration.toSeconds
  )
}

const durationIn = (written: number | string): Duration.Duration | undefined => {
  const seconds = plain(written)
  if (seconds !== undefined) return Number.isNaN(seconds) ? undefined : Duration.seconds(seconds)
  const text = String(written).trim()
  const found = Option.orElse(Duration.fromInput(text as Duration.Input), () => Duration.fromIso(text))
  return Option.getOrUndefined(found)
}

export const PositiveInt = Schema.Int.check(Schema.isGreaterThan(0)).annotate({ title: "number" })

export const count = (minimum: number, maximum: number) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum })).annotate({ title: "number" })

/** A fraction: more than 0, at most 1. */
export const Fraction = Schema.Number.check(Schema.isGreaterThan(0), Schema.isLessThanOrEqualTo(1)).annotate({
  title: "fraction"
})

/** A limit of the protocol as a configuration would write it. */
export const writtenMicros = (micros: Micros): string => durationText(Duration.millis(micros / 1_000))

/** A configured duration in the protocol's microseconds. */
export const microsOf = (duration: Duration.Duration): Micros => Duration.toMillis(duration) * 1_000
