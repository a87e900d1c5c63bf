// The measured time of a byte, by single pieces whose times are given. No clock runs, and nothing is sent.

import { describe, expect, it } from "vitest"
import { UploadRate } from "./upload-rate.ts"

describe("the rate of uploads", () => {
  it("is what was assumed until a piece has left, then what that piece took", () => {
    const rate = new UploadRate(5)
    expect([rate.uplinkTime(100), rate.sendTime(100)]).toEqual([500, 0])
    rate.sent(100, 1000, 1200)
    expect([rate.uplinkTime(100), rate.sendTime(100)]).toEqual([200, 200])
  })

  it("of the uplink runs from the last piece that left, and follows later ones by an eighth", () => {
    const rate = new UploadRate(5)
    rate.sent(100, 0, 200)
    rate.sent(100, 0, 1200)
    expect(rate.uplinkTime(100)).toBe(200 + (1000 - 200) / 8)
    expect(rate.sendTime(100)).toBe(200 + (1200 - 200) / 8)
    rate.sent(100, 5000, 5300)
    expect(rate.uplinkTime(100)).toBe(300)
  })
})
