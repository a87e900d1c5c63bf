// Look of charts: one palette of named colours for light and dark paper, fixed fonts and sizes. A strategy has the
// colour of its name. Charts are drawn in the light colours; the page replaces each by its value (report-style.ts), so
// that the SVG file is complete by itself and the page follows the preference of the reader.

import type { Config } from "vega-lite"

export const palette = {
  paper: { light: "#fdfcf9", dark: "#12181d" },
  ink: { light: "#1d2830", dark: "#e7ecef" },
  muted: { light: "#5d6a73", dark: "#9fadb6" },
  grid: { light: "#e4e1d9", dark: "#2a343b" },
  shoal: { light: "#0b6f8c", dark: "#5ec2de" },
  origin: { light: "#c98a1b", dark: "#e8b65a" },
  bound: { light: "#b8442f", dark: "#f1876f" },
  kraken: { light: "#7a4fa3", dark: "#b896da" },
  "client-server": { light: "#6d7433", dark: "#b9c27c" },
  supernode: { light: "#bd4f78", dark: "#ea94b2" },
  tree: { light: "#3c8a57", dark: "#82cb9b" },
  binomial: { light: "#4a5fb0", dark: "#98a9ee" }
} as const

export type PaletteName = keyof typeof palette

export const lightColour = (name: PaletteName): string => palette[name].light

const font = "Inter, 'Helvetica Neue', Helvetica, Arial, sans-serif"

/**
 * Width in pixels of the whole drawing with its axes. It is the same for all charts, so that they line up on the page.
 */
export const chartWidth = 752

export const chartConfig: Config = {
  background: lightColour("paper"),
  font,
  padding: 8,
  autosize: { type: "fit-x", contains: "padding" },
  view: { stroke: null },
  axis: {
    labelFont: font,
    titleFont: font,
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: "normal",
    labelColor: lightColour("muted"),
    titleColor: lightColour("muted"),
    gridColor: lightColour("grid"),
    domainColor: lightColour("muted"),
    tickColor: lightColour("muted"),
    titlePadding: 10,
    labelPadding: 6
  },
  axisY: { domain: false, ticks: false },
  legend: {
    labelFont: font,
    labelFontSize: 12,
    labelColor: lightColour("ink"),
    orient: "top",
    title: null,
    offset: 6,
    labelLimit: 300,
    symbolStrokeWidth: 3
  },
  text: { font, fontSize: 12 }
}
