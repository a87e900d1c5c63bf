// Style sheet of report pages, made from the palette of the charts, for light and dark paper, phones and print. It
// loads no font, image or script.

import { type PaletteName, palette } from "./chart-theme.ts"

const names = Object.keys(palette) as ReadonlyArray<PaletteName>

const variables = (side: "light" | "dark"): string =>
  names.map((name) => `--${name}: ${palette[name][side]};`).join(" ")

/** Ties each light colour of a chart to its variable: style rules take precedence over SVG attributes. */
const chartColours = names
  .flatMap((name) => {
    const colour = palette[name].light
    return [
      `.chart svg [fill="${colour}"] { fill: var(--${name}) }`,
      `.chart svg [stroke="${colour}"] { stroke: var(--${name}) }`
    ]
  })
  .join("\n")

export const reportStyle = `:root { color-scheme: light dark; ${variables("light")} }
@media (prefers-color-scheme: dark) { :root { ${variables("dark")} } }
* { box-sizing: border-box }
html { -webkit-text-size-adjust: 100% }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 17px/1.6 Inter, "Helvetica Neue", Helvetica, Arial, sans-serif }
main { max-width: 47rem; margin: 0 auto; padding: 3.5rem 1.25rem 5rem }
.kind { margin: 0; color: var(--shoal); font-size: .8rem; font-weight: 600; letter-spacing: .08em; text-transform: uppercase }
h1 { margin: .5rem 0 1.5rem; font-size: clamp(1.7rem, 5vw, 2.35rem); line-height: 1.2; letter-spacing: -.015em; text-wrap: balance }
.answer { margin: 0 0 2rem; padding-left: 1.1rem; border-left: 3px solid var(--shoal); font-size: 1.15rem; line-height: 1.55 }
.answer:has(+ .links) { margin-bottom: .9rem }
.links { margin: 0 0 1.5rem; font-size: .85rem }
.links span { padding: .15rem .6rem; border: 1px solid var(--shoal); border-radius: 1rem; color: var(--shoal) }
h2 { margin: 3.25rem 0 .75rem; font-size: 1.2rem; letter-spacing: -.005em }
p { margin: 0 0 1rem }
code, pre { font: .86em/1.55 ui-monospace, "SF Mono", Menlo, Consolas, monospace }
pre { margin: 0 0 1rem; padding: .8rem 1rem; border: 1px solid var(--grid); border-radius: 6px; overflow-x: auto }
ul { margin: 0; padding-left: 1.2rem } li { margin-bottom: .5rem } li::marker { color: var(--muted) }
figure { margin: 2.25rem 0 0 }
figure h3 { margin: 0 0 .2rem; font-size: 1rem }
figcaption { margin-bottom: .75rem; color: var(--muted); font-size: .93rem; line-height: 1.5 }
.chart { overflow-x: auto } .chart svg { display: block; width: 100%; min-width: 34rem; height: auto }
.table { overflow-x: auto }
table { width: 100%; border-collapse: collapse; font-size: .95rem; line-height: 1.45 }
caption { padding-bottom: .6rem; color: var(--muted); font-size: .93rem; text-align: left }
th { color: var(--muted); font-size: .82rem; font-weight: 600; text-align: left }
th[scope="row"] { color: var(--ink); font-size: inherit }
th, td { padding: .5rem 1rem .5rem 0; border-bottom: 1px solid var(--grid); vertical-align: top }
th:last-child, td:last-child { padding-right: 0 }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.meaning { color: var(--muted) } .unit { color: var(--muted) }
a { color: var(--shoal) } .kind a { color: inherit; text-decoration: none }
section { margin-top: 4.5rem; padding-top: 2rem; border-top: 1px solid var(--grid) }
section > h2 { margin: .4rem 0 1rem; font-size: clamp(1.35rem, 4vw, 1.75rem); line-height: 1.25; text-wrap: balance }
h3 { margin: 2rem 0 .5rem; font-size: 1rem }
.more { margin: 1.5rem 0 0 } .stale { color: var(--bound); font-size: .93rem }
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--grid); color: var(--muted); font-size: .85rem }
.hash { overflow-wrap: anywhere }
${chartColours}
@media (max-width: 34rem) { body { font-size: 16px } main { padding-top: 2rem }
  .figures td, .figures th { display: block; padding: 0; border: 0; text-align: left }
  .figures thead { display: none } .figures tr { display: block; padding: .6rem 0; border-bottom: 1px solid var(--grid) } }
@media print { :root { ${variables("light")} } body { font-size: 11pt } main { max-width: none; padding: 0 }
  figure, table { break-inside: avoid } h2, h3 { break-after: avoid } .chart svg { min-width: 0 } }
`
