// Tests of the progress line: few plain lines when piped, one short line on a terminal, and an estimate of the time
// that remains.

import { assert, describe, it } from "vitest"
import { makeProgress, progressOfParts } from "./progress.ts"

const record = (isTTY: boolean) => {
  const written: Array<string> = []
  let clock = 0
  const stream = { isTTY, columns: 60, write: (text: string) => written.push(text) }
  const progress = makeProgress(stream, () => clock)
  return { written, progress, at: (milliseconds: number) => (clock = milliseconds) }
}

describe("progress", () => {
  it("writes a plain line at most every 15 s when the output is piped", () => {
    const { written, progress, at } = record(false)
    for (let second = 0; second <= 41; second++) {
      at(second * 1000)
      progress.update(second / 100, "3 of 179 runs done")
    }
    progress.finish()
    assert.deepStrictEqual(written, [
      "3 of 179 runs done, 15 % of the work, 15 s\n",
      "3 of 179 runs done, 30 % of the work, 30 s\n"
    ])
  })

  it("rewrites one line at most ten times per second within the width of the terminal, and clears it", () => {
    const { written, progress, at } = record(true)
    for (let milliseconds = 0; milliseconds < 1000; milliseconds++) {
      at(milliseconds)
      progress.update(milliseconds / 2000, "a note that goes on and on and would never fit")
    }
    assert.strictEqual(written.length, 10)
    for (const line of written) {
      assert.isTrue(line.startsWith("\r\u001b[2K"))
      assert.isBelow(line.length - "\r\u001b[2K".length, 60)
      assert.notInclude(line, "\n")
    }
    progress.finish()
    assert.strictEqual(written.at(-1), "\r\u001b[2K")
  })

  it("estimates the remaining time", () => {
    const { written, progress, at } = record(true)
    at(3000)
    progress.update(0.25, "pulling")
    assert.include(written.at(-1), "25 % pulling, about 9 s left")
    at(119_500)
    progress.update(0.5, "pulling")
    assert.include(written.at(-1), "50 % pulling, about 2 min 0 s left")
  })

  it("weights its parts, and counts the finished ones", () => {
    const told: Array<readonly [number, string]> = []
    const whole = { update: (done: number, note: string) => told.push([done, note]), finish: () => {} }
    const [long, short] = progressOfParts([3, 1], whole)
    long!.update(0.5, "half")
    short!.finish()
    long!.update(2, "too far")
    assert.deepStrictEqual(told, [
      [0.375, "0 of 2 runs done"],
      [0.625, "1 of 2 runs done"],
      [1, "1 of 2 runs done"]
    ])
  })
})
