// Tests of medians and verdicts: ratios of what should be little and of what should be much, the tolerance at its edge,
// bounds that are never checked, and what was not measured. The table shows all of them.

import { expect, test } from "vitest"
import { benchCells, benchLines, inUnit } from "./bench-lines.ts"
import { clientsByProcess } from "./door-scenarios.ts"
import { withSums } from "./primitive-costs.ts"
import { type Aim, type Measure, type Row, rows } from "./rows.ts"
import type { Sample } from "./scenario.ts"
import { judge, medianOf, type Samples } from "./verdicts.ts"

const [row] = rows as [Row]
const { scenario } = row

const samplesOf = (shoal: ReadonlyArray<Sample>, distribution: ReadonlyArray<Sample> = []): Samples =>
  new Map([
    [
      scenario.name,
      new Map([
        ["shoal" as const, shoal],
        ["distribution" as const, distribution]
      ])
    ]
  ])

const measured = (better: Measure["better"], aim: Aim, own: number, other?: number) => {
  const rowOfOne: Row = { ...row, measures: [{ metric: "x", title: "x", unit: "", better, aims: [aim] }] }
  const samples = samplesOf([{ x: own }], other === undefined ? [] : [{ x: other }])
  return judge([rowOfOne], ["shoal", "distribution"], samples)[0]?.verdicts[0]
}

const ratio = (factor: number): Aim => ({ kind: "ratio", to: "distribution", factor })

test("the median is of all runs that have the metric", () => {
  const samples = samplesOf([{ x: 3 }, { x: 1 }, { y: 7 }, { x: 2 }])
  expect(medianOf(samples, row, "shoal", "x")).toBe(2)
  expect(medianOf(samples, row, "shoal", "z")).toBeUndefined()
  expect(medianOf(samples, row, "zot", "x")).toBeUndefined()
})

test("what should be little may be at most the multiple, and 15 % more before the check fails", () => {
  expect(measured("less", ratio(1.2), 12, 10)).toMatchObject({ ratio: 1.2, standing: "met", fails: false })
  expect(measured("less", ratio(1.2), 13.79, 10)).toMatchObject({
    standing: "missed within tolerance",
    fails: false
  })
  expect(measured("less", ratio(1.2), 13.81, 10)).toMatchObject({ standing: "missed", fails: true })
})

test("what should be much must be at least the multiple, and 15 % less before the check fails", () => {
  expect(measured("more", ratio(1.2), 12, 10)).toMatchObject({ standing: "met", fails: false })
  expect(measured("more", ratio(1.2), 10.5, 10)).toMatchObject({
    standing: "missed within tolerance",
    fails: false
  })
  expect(measured("more", ratio(1.2), 10.4, 10)).toMatchObject({ standing: "missed", fails: true })
})

test("a bound is told and fails the check only if it is a ratio itself", () => {
  expect(measured("less", { kind: "bound", most: 1, isRatio: true }, 1.2)).toMatchObject({ fails: true })
  expect(measured("less", { kind: "bound", most: 2, isRatio: false }, 1)).toMatchObject({
    ratio: 0.5,
    standing: "met"
  })
  expect(measured("less", { kind: "bound", most: 2, isRatio: false }, 9)).toMatchObject({
    standing: "missed",
    fails: false
  })
})

test("a ratio to a system that was not measured is none", () => {
  expect(measured("less", ratio(1), 1)).toMatchObject({
    ratio: undefined,
    standing: "not measured",
    fails: false
  })
})

test("the table has a line for each measure that was measured, and marks what fails", () => {
  const judged = judge(
    rows,
    ["shoal", "distribution"],
    samplesOf([{ rate: 30, cpu: 0.012 }], [{ rate: 90, cpu: 0.012 }])
  )
  const { heads, lines } = benchCells(judged, ["shoal", "distribution"])
  expect(heads).toEqual(["row", "measure", "shoal", "distribution", "aim", "ratio and verdict"])
  expect(lines).toEqual([
    ["push-small-16", "images a second, /s", "30.0", "90.0", ">= 1.20 x distribution", "0.33, MISSED"],
    ["", "CPU an image, ms", "12.0", "12.0", "<= 1.00 x distribution", "1.00, met"]
  ])
  expect(benchLines(judged, ["shoal", "distribution"])).toHaveLength(3)
})

test("names of rows and metrics are unique, and numbers are in their unit", () => {
  expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length)
  for (const { measures } of rows)
    expect(new Set(measures.map(({ metric }) => metric)).size).toBe(measures.length)
  expect([inUnit(0.012, "ms"), inUnit(25e6, "MB"), inUnit(3, "s")]).toEqual([12, 25, 3])
})

test("clients are spread evenly over processes", () => {
  expect(clientsByProcess(16)).toEqual([16])
  expect(clientsByProcess(64)).toEqual([32, 32])
  expect(clientsByProcess(65)).toEqual([21, 22, 22])
})

test("an agent in a swarm stores every byte once and serves it twice", () => {
  const steps = { receive: 1, send: 10, hash: 100, write: 1000, read: 10_000, sync: 7 }
  expect(withSums(steps)).toEqual({ ...steps, push: 1101, pull: 10_010, swarm: 1101 + 2 * 10_010 })
})
