// The three charts of docs/rules.md, from figures that were measured once and are kept in rules-figures.ts: they
// compare rules that the code no longer has. docs/rules.md says how they were measured.

import type { TopLevelSpec } from "vega-lite"
import type { ChartSource } from "../../experiments/report/chart.ts"
import { chartWidth, lightColour } from "../../experiments/report/chart-theme.ts"
import { figures } from "./rules-figures.ts"

const before = { name: "before", colour: lightColour("bound") }
const matched = { name: "five out, five in", colour: lightColour("origin") }
const passing = { name: "two sockets", colour: lightColour("tree") }
const now = { name: "now", colour: lightColour("shoal") }

const colours = (kinds: ReadonlyArray<{ readonly name: string; readonly colour: string }>) => ({
  domain: kinds.map(({ name }) => name),
  range: kinds.map(({ colour }) => colour)
})

const overBound = {
  type: "quantitative" as const,
  scale: { domain: [1, 1.7], nice: false },
  axis: { title: "time over the counting bound", grid: true, format: ".2f" }
}

const steps: TopLevelSpec = {
  width: chartWidth,
  height: { step: 26 },
  data: { values: figures.steps },
  encoding: {
    y: { field: "case", type: "nominal", sort: null, axis: { title: null, labelLimit: 320 } },
    yOffset: { field: "rules", type: "nominal", sort: null },
    color: {
      field: "rules",
      type: "nominal",
      scale: colours([before, matched, passing, now]),
      // Text is measured by an estimate that is too wide for four entries in a line.
      legend: { title: null, orient: "top", columns: 2 }
    }
  },
  layer: [
    {
      mark: { type: "rule", strokeWidth: 2 },
      encoding: { x: { field: "p50", ...overBound }, x2: { field: "slowest" } }
    },
    { mark: { type: "point", filled: true, size: 60 }, encoding: { x: { field: "p50", ...overBound } } },
    {
      mark: { type: "tick", thickness: 3, size: 12 },
      encoding: { x: { field: "slowest", ...overBound } }
    }
  ]
}

/** Slots of one sample. */
const sampleSlots = 4

const use: TopLevelSpec = {
  width: chartWidth,
  height: 260,
  data: {
    values: figures.use.flatMap(({ rules, share }) =>
      share.map((part, sample) => ({ rules, slot: sampleSlots * (sample + 0.5), share: part }))
    )
  },
  mark: { type: "line", strokeWidth: 2 },
  encoding: {
    x: {
      field: "slot",
      type: "quantitative",
      scale: { domain: [0, 640], nice: false },
      axis: { title: "time, in slots of one piece at line rate" }
    },
    y: {
      field: "share",
      type: "quantitative",
      scale: { domain: [0, 1.15], nice: false },
      axis: { title: "part of the downlinks", format: ".1f", grid: true }
    },
    color: {
      field: "rules",
      type: "nominal",
      scale: colours([before, matched, now]),
      legend: { title: null, orient: "top" }
    }
  }
}

const places = [
  { field: "flowing", name: "piece is being sent", dash: [1, 0] },
  { field: "elsewhere", name: "on the way, or behind a piece", dash: [4, 3] }
] as const

const live: TopLevelSpec = {
  width: chartWidth,
  height: 260,
  data: {
    values: figures.live.flatMap((samples) =>
      places.flatMap(({ field, name }) =>
        samples[field].map((requests, sample) => ({
          sockets: samples.sockets,
          place: name,
          slot: sampleSlots * (sample + 0.5),
          requests
        }))
      )
    )
  },
  mark: { type: "line", strokeWidth: 2 },
  encoding: {
    x: {
      field: "slot",
      type: "quantitative",
      scale: { domain: [0, 156], nice: false },
      axis: { title: "time, in slots of one piece at line rate" }
    },
    y: {
      field: "requests",
      type: "quantitative",
      scale: { domain: [0, 5], nice: false },
      axis: { title: "live requests of a host", grid: true }
    },
    color: {
      field: "sockets",
      type: "nominal",
      scale: colours([
        { name: "one socket (five out, five in)", colour: matched.colour },
        { name: "two sockets (now)", colour: now.colour }
      ]),
      legend: { title: null, orient: "top" }
    },
    strokeDash: {
      field: "place",
      type: "nominal",
      scale: { domain: places.map(({ name }) => name), range: places.map(({ dash }) => [...dash]) },
      legend: { title: null, orient: "bottom", labelLimit: 320 }
    }
  }
}

export const rulesCharts: ReadonlyArray<ChartSource> = [
  {
    name: "steps",
    title: "What each change gained",
    caption: "The median host (point) and the slowest (tick).",
    spec: steps
  },
  {
    name: "use",
    title: "Where the time went",
    caption:
      "300 agents, 375 pieces of 4 MB: pieces that came, over what the downlinks carry. The median host ends where the " +
      "line falls. A piece counts when it is whole, so that four slots may have more than the links carry in them.",
    spec: use
  },
  {
    name: "live",
    title: "Requests that stand behind pieces",
    caption: "100 agents, 128 pieces of 1 MiB: where the live requests of a host are.",
    spec: live
  }
]
