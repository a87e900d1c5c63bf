// Tests of the form of measured.json: it reads back, refuses unknown keys, and its means are correct.

import { describe, expect, it } from "vitest"
import { type MeasuredFile, meanTimes, measuredFileOf, measuredText } from "./measured.ts"
import { readMeasured } from "./sim-versus-net.ts"

const file: MeasuredFile = {
  machine: { cpu: "a", cores: 2, memory_gib: 24, kernel: "Linux 6", node: "v24", storage: "/dev/shm" },
  measurements: [
    {
      name: "calibration",
      options: { agents: 2, size: 10, rate: 5, burst: 1 },
      role: "calibration",
      sources: "abc",
      conditions: "nothing else ran",
      date: "2026-01-01T00:00Z",
      runs: [{ completions_s: [1, 2], cpu_share: 0.2, machine_busy: 0.3, load_before: 0.5 }]
    },
    {
      name: "rate",
      options: { agents: 2, size: 10, rate: 10, burst: 1 },
      role: "prediction",
      predicted: { p50_s: 1, max_s: 2 },
      sources: "abc",
      conditions: "nothing else ran",
      date: "2026-01-01T00:01Z",
      runs: [
        { completions_s: [1, 2], cpu_share: 0.2, machine_busy: 0.3, load_before: 0.5 },
        { completions_s: [1.5, 2.5], cpu_share: 0.2, machine_busy: 0.3, load_before: 0.5 }
      ]
    }
  ],
  shaped: [
    {
      name: "links",
      options: { agents: 2, size: 10, pieceLength: 5, rate: 10, limiter: 0.95 },
      links: "tbf",
      predicted: { p50_s: 1, max_s: 2 },
      sources: "abc",
      conditions: "nothing else ran",
      kernel: "Linux 6",
      date: "2026-01-01T00:02Z",
      runs: [
        { completions_s: [1, 2], cpu_share: 0.2, machine_busy: 0.3, rejects_per_piece: 0.5, resent_share: 0 }
      ]
    }
  ]
}

describe("measured.json", () => {
  it("reads back as it was written", () => {
    expect(measuredFileOf(measuredText(file))).toEqual(file)
    const empty = { ...file, measurements: [], shaped: [] }
    expect(measuredFileOf(measuredText(empty))).toEqual(empty)
  })

  it("refuses an unknown key", () => {
    expect(() => measuredFileOf(measuredText(file).replace('"cores"', '"kernels"'))).toThrow()
  })

  it("fits its form, with one calibration and a prediction for all other measurements", () => {
    const { measurements, shaped } = readMeasured()
    expect(measurements.filter(({ role }) => role === "calibration")).toHaveLength(1)
    for (const { role, predicted, options, runs } of measurements) {
      expect(predicted === undefined).toBe(role === "calibration")
      for (const { completions_s, cpu_share } of runs) {
        expect(completions_s).toHaveLength(options.agents)
        expect(cpu_share).toBeLessThan(0.6)
      }
    }
    for (const { options, runs } of shaped) {
      for (const { completions_s, cpu_share } of runs) {
        expect(completions_s).toHaveLength(options.agents)
        // Each segment of a slow link wakes a process: two processors are more than half busy (docs/gaps.md).
        expect(cpu_share).toBeLessThan(0.8)
      }
    }
  })
})

describe("mean times", () => {
  it("are the means over runs of the median at nearest rank and of the maximum", () => {
    expect(
      meanTimes([
        [3, 1, 2],
        [9, 4, 5]
      ])
    ).toEqual({ p50_s: 3.5, max_s: 6 })
  })
})
