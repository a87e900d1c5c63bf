// Decides how a chart is drawn: a vega-lite spec, compiled and rendered to SVG by vega, the same bytes for the same
// spec on every machine. Text is measured by vega's own estimate (it would use a canvas package, which this project
// does not install); ids start anew for every chart; nothing random is drawn.

import { Data, Effect } from "effect"
import * as vega from "vega"
import { compile, type TopLevelSpec } from "vega-lite"
import { chartConfig } from "./chart-theme.ts"

export interface ChartSource {
  /** Its files are NAME.vl.json and NAME.svg; the main one is called "chart". */
  readonly name: string
  readonly title: string
  /** What to see in it, a sentence or two. */
  readonly caption: string
  readonly spec: TopLevelSpec
}

export interface DrawnChart extends ChartSource {
  /** A whole SVG document. */
  readonly svg: string
}

export class ChartFailed extends Data.TaggedError("ChartFailed")<{
  readonly chart: string
  readonly message: string
}> {}

const render = async (source: ChartSource): Promise<string> => {
  vega.resetSVGDefIds()
  const compiled = compile(source.spec, { config: chartConfig })
  const view = new vega.View(vega.parse(compiled.spec), { renderer: "none", logLevel: vega.Error })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}

/** Draws a chart; ids in the SVG carry the chart's name, so that several can stand on one page. */
export const drawChart = (source: ChartSource): Effect.Effect<DrawnChart, ChartFailed> =>
  Effect.tryPromise({
    try: () => render(source),
    catch: (cause) =>
      new ChartFailed({
        chart: source.name,
        message: `chart ${source.name} could not be drawn: ${String(cause)}`
      })
  }).pipe(
    Effect.map((svg) => ({
      ...source,
      svg: `${svg.replace(/(id="|url\(#)(clip|gradient|pattern)/g, `$1${source.name}-$2`)}\n`
    }))
  )
