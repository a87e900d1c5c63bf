// Tests of option texts: the forms that people type, a canonical form that reads back, and refusals in one line.

import { Effect, Schema } from "effect"
import fc from "fast-check"
import { assert, describe, it } from "vitest"
import { nearestName } from "./nearest-name.ts"
import {
  byteRateText,
  byteSizeText,
  choiceText,
  countText,
  durationText,
  type OptionCodec
} from "./option-text.ts"

const decode = <A>(codec: OptionCodec<A>, text: string): A => Schema.decodeSync(codec)(text)
const refuses = <A>(codec: OptionCodec<A>, text: string) =>
  assert.throws(() => decode(codec, text), undefined, undefined, text)

describe("option texts", () => {
  it("read what people type", () => {
    assert.strictEqual(decode(byteSizeText, "256 MiB"), 268_435_456)
    assert.strictEqual(decode(byteSizeText, "1.5gb"), 1_500_000_000)
    assert.strictEqual(decode(byteSizeText, "4000000"), 4_000_000)
    assert.strictEqual(decode(byteRateText, "300MB/s"), 300_000_000)
    assert.strictEqual(decode(byteRateText, "300 MB"), 300_000_000)
    assert.strictEqual(decode(durationText, "0.5ms"), 500)
    assert.strictEqual(decode(durationText, "20 ms"), 20_000)
    assert.strictEqual(decode(durationText, "0s"), 0)
    assert.strictEqual(decode(countText(1, 10), "10"), 10)
    assert.strictEqual(decode(choiceText(["red", "blue"]), "blue"), "blue")
  })

  it("refuse texts without a meaning", () => {
    for (const text of ["", "-1", "1e3", "0", "0.3B", "5 furlongs", "1 MB/s", "9007199254740993"]) {
      refuses(byteSizeText, text)
    }
    for (const text of ["", "5", "-1ms", "1 min"]) refuses(durationText, text)
    for (const text of ["0", "11", "1.5", "", "ten"]) refuses(countText(1, 10), text)
    refuses(choiceText(["red"]), "Red")
  })

  it("encode as canonical text without blanks that decodes to the same value", () => {
    const amount = fc.integer({ min: 1, max: 2 ** 45 })
    fc.assert(
      fc.property(amount, fc.constantFrom(byteSizeText, byteRateText, durationText), (value, codec) => {
        const text = Schema.encodeSync(codec)(value)
        assert.notMatch(text, /\s/)
        assert.strictEqual(decode(codec, text), value)
      })
    )
    assert.strictEqual(Schema.encodeSync(byteSizeText)(268_435_456), "256MiB")
    assert.strictEqual(Schema.encodeSync(byteRateText)(300_000_000), "300MB/s")
    assert.strictEqual(Schema.encodeSync(durationText)(500), "0.5ms")
    assert.strictEqual(Schema.encodeSync(durationText)(0), "0us")
  })

  it("name what is expected in the first line", async () => {
    const error = await Effect.runPromise(Effect.flip(Schema.decodeEffect(durationText)("soon")))
    assert.strictEqual(
      error.message.split("\n")[0],
      'expected a duration such as 0.5ms, 20ms or 1s, got "soon"'
    )
  })
})

describe("nearestName", () => {
  it("finds typing errors and no distant names", () => {
    const known = ["agents", "origins", "size"]
    assert.strictEqual(nearestName("agent", known), "agents")
    assert.strictEqual(nearestName("Orignis", known), "origins")
    assert.strictEqual(nearestName("latency", known), undefined)
  })
})
