// Tests of the index and of a report's page in headless Chromium: from the disk, on a wide screen, on a phone and on
// dark paper. Where no Chromium is installed the reason is printed, and only the texts are checked (run-all.test.ts).

import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { Console, Effect } from "effect"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { type Browser, chromium, startBrowser } from "../../testing/experiments/browser.ts"
import { testLaboratory } from "../../testing/experiments/trial-experiments.ts"
import { runAll } from "./run-all.ts"

if ("missing" in chromium) process.stderr.write(`${chromium.missing}\n`)

const look = `(async () => {
  if (document.readyState !== "complete") await new Promise((done) => addEventListener("load", done))
  const size = ({ width, height }) => [Math.round(width), Math.round(height)]
  return {
    charts: [...document.querySelectorAll(".chart svg")].map((svg) => size(svg.getBoundingClientRect())),
    marks: document.querySelectorAll(".chart svg .mark-rect path").length,
    overflow: document.documentElement.scrollWidth - innerWidth,
    paper: getComputedStyle(document.body).backgroundColor,
    fetched: performance.getEntriesByType("resource").length
  }
})()`

interface Looks {
  readonly charts: ReadonlyArray<readonly [number, number]>
  readonly marks: number
  readonly overflow: number
  readonly paper: string
  readonly fetched: number
}

let folder = ""
let browser: Browser | undefined

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "shoal-pages-"))
  const silent = { ...globalThis.console, log: () => {} }
  const run = runAll({ workers: 1 }, testLaboratory(folder))
  await Effect.runPromise(Effect.provideService(run, Console.Console, silent))
  if ("path" in chromium) browser = await startBrowser(chromium.path, folder)
})

afterAll(async () => {
  await browser?.close()
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
})

const screens = [
  { name: "a wide screen", width: 1280, height: 900, scheme: "light" },
  { name: "a phone", width: 360, height: 740, scheme: "light" },
  { name: "dark paper", width: 1280, height: 900, scheme: "dark" }
]

describe("pages in Chromium", () => {
  it.for(screens)(
    "show their charts without an error on $name",
    async ({ width, height, scheme }, context) => {
      if ("missing" in chromium) return context.skip(chromium.missing)
      assert.isDefined(browser)
      const { tab } = browser
      for (const page of ["index.html", join("counted", "index.html")]) {
        await tab.ask("Emulation.setDeviceMetricsOverride", {
          width,
          height,
          deviceScaleFactor: 1,
          mobile: width < 500
        })
        await tab.ask("Emulation.setEmulatedMedia", {
          features: [{ name: "prefers-color-scheme", value: scheme }]
        })
        tab.events.length = 0
        await tab.ask("Page.navigate", { url: pathToFileURL(join(folder, page)).href })
        const looks = (await tab.evaluate(look)) as Looks
        assert.strictEqual(looks.charts.length, 1, page)
        for (const [chartWidth, chartHeight] of looks.charts) {
          assert.isAbove(chartWidth, 300, page)
          assert.isAbove(chartHeight, 100, page)
        }
        assert.strictEqual(looks.marks, 12, page)
        assert.isAtMost(looks.overflow, 0, `${page} is wider than ${width} pixels`)
        assert.strictEqual(looks.fetched, 0, page)
        assert.strictEqual(looks.paper, scheme === "dark" ? "rgb(18, 24, 29)" : "rgb(253, 252, 249)")
        const errors = tab.events.filter(({ method }) =>
          ["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"].includes(method ?? "")
        )
        assert.deepStrictEqual(errors, [], page)
      }
    }
  )
})
