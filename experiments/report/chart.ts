// Drawing of charts: vega compiles a vega-lite specification and renders it to SVG. Invariant: equal specifications
// give equal bytes on every machine. So text is measured by vega's estimate (with a canvas package, which is not
// installed, vega would use that), identifiers start anew for every chart, and nothing random is drawn.

import { Data, Effect } from "effect"
import * as vega from "vega"
import { compile, type TopLevelSpec } from "vega-lite"
import { chartConfig } from "./chart-theme.ts"

export interface ChartSource {
  /** Name of its files NAME.vl.json and NAME.svg. The main chart is called "chart". */
  readonly name: string
  readonly title: string
  /** One or two sentences on what the chart shows. */
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

/** Draws a chart. Identifiers in the SVG begin with the name of the chart, so that one page can hold several charts. */
export const drawChart = (source: ChartSource): Effect.Effect<DrawnChart, ChartFailed> =>
  Effect.tryPromise({
    try: () => render(source),
    catch: (cause) =>
      new ChartFailed({
        chart: source.name,
        message: `chart ${source.name} cannot be drawn: ${String(cause)}`
      })
  }).pipe(
    Effect.map((svg) => ({
      ...source,
      svg: `${svg.replace(/(id="|url\(#)(clip|gradient|pattern)/g, `$1${source.name}-$2`)}\n`
    }))
  )
