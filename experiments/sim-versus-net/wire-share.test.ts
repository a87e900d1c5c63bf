// Tests of what a shaped link leaves for pieces: the sizes of headers and acknowledgements, and no measurement.

import { describe, expect, it } from "vitest"
import { goodputOf } from "./wire-share.ts"

const MiB = 1024 * 1024

describe("goodput", () => {
  it("is the content of full segments, less acknowledgements and the header of each piece", () => {
    // 1448 of 1514 bytes, and 66 bytes for every second segment that comes in.
    expect(goodputOf(1e9, 1500, 1e12)).toBe(Math.floor((1e9 * 1448) / (1514 + 33)))
    // 14 and 8 bytes of headers.
    expect(goodputOf(1e9, 1500, 78)).toBe(Math.floor(((1e9 * 1448) / (1514 + 33)) * 0.78))
  })

  it("rises with longer frames and longer pieces, and stays below the link", () => {
    expect(goodputOf(2.5e6, 9000, MiB)).toBeGreaterThan(goodputOf(2.5e6, 1500, MiB))
    expect(goodputOf(2.5e6, 1500, MiB)).toBeGreaterThan(goodputOf(2.5e6, 1500, MiB / 4))
    expect(goodputOf(2.5e6, 9000, MiB)).toBeLessThan(2.5e6)
  })
})
