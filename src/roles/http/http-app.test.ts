// An app that is made on demand, tested with single requests. Other files test what the routes answer.

import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { sumOf, valuesOf } from "../../../testing/roles/metrics.ts"
import { makeRoleMetrics } from "../services/metrics.ts"
import { ProcessUse } from "../services/process-use.ts"
import { type HttpApp, madeWhenAsked, makeHttpApp } from "./http-app.ts"
import { countedHandler, makeRequestCounter } from "./http-requests.ts"

describe("an app that is made on demand", () => {
  it.effect("is made by the first request, and once", () =>
    Effect.gen(function* () {
      let made = 0
      const app = yield* madeWhenAsked(
        Effect.sync(() => {
          made++
          return Effect.succeed(HttpServerResponse.text("here"))
        })
      )
      expect(made).toBe(0)
      const request = HttpServerRequest.fromWeb(new Request("http://agent/"))
      for (let times = 0; times < 2; times++) {
        const answer = yield* Effect.provideService(app, HttpServerRequest.HttpServerRequest, request)
        expect(answer.status).toBe(200)
      }
      expect(made).toBe(1)
    })
  )
})

describe("an app of routes", () => {
  const metrics = makeRoleMetrics("tracker")
  const counter = makeRequestCounter(metrics)
  const hello = countedHandler(counter, "hello", Effect.succeed(HttpServerResponse.text("hello")), () =>
    HttpServerResponse.empty({ status: 500 })
  )
  const broken = countedHandler(counter, "broken", Effect.die(new Error("a bug")), () =>
    HttpServerResponse.empty({ status: 500 })
  )
  const ask = (method: string, path: string, notReady: ReadonlyArray<string> = []) =>
    Effect.gen(function* () {
      const routes = [
        { method: "GET", path: "/hello", handler: hello },
        { method: "POST", path: "/broken", handler: broken }
      ] as const
      const health = { metrics, notReady: Effect.succeed(notReady) }
      const app = yield* makeHttpApp(routes, health)
      const request = HttpServerRequest.fromWeb(new Request(`http://tracker${path}`, { method }))
      const answer = yield* Effect.scoped(
        Effect.provideService(app, HttpServerRequest.HttpServerRequest, request)
      )
      const web = HttpServerResponse.toWeb(answer)
      return {
        status: web.status,
        allow: web.headers.get("allow"),
        body: yield* Effect.promise(() => web.text())
      }
    })

  it.effect("answers its routes, health, and readiness with its reasons", () =>
    Effect.gen(function* () {
      expect(yield* ask("GET", "/hello")).toMatchObject({ status: 200, body: "hello" })
      expect((yield* ask("HEAD", "/hello")).status).toBe(200)
      expect(yield* ask("GET", "/health")).toMatchObject({ status: 200, body: "ok\n" })
      expect(yield* ask("GET", "/readiness")).toMatchObject({ status: 200, body: "ready\n" })
      expect(yield* ask("GET", "/readiness", ["no disk", "no peers"])).toMatchObject({
        status: 503,
        body: "tracker: no disk\ntracker: no peers\n"
      })
    })
  )

  it.effect("says 404 to a known method where no route is, and 405 with the methods to any other", () =>
    Effect.gen(function* () {
      for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]) {
        expect(yield* ask(method, "/nowhere"), method).toMatchObject({ status: 404, allow: null })
      }
      const other = yield* ask("OPTIONS", "/hello")
      expect(other).toMatchObject({ status: 405, allow: "GET, HEAD, POST, PUT, PATCH, DELETE" })
      expect(other.body).toContain("there is no OPTIONS")
    })
  )

  it.effect("counts answers by method, route and status, a defect among them", () =>
    Effect.gen(function* () {
      yield* ask("GET", "/hello")
      yield* ask("POST", "/broken")
      const { body } = yield* ask("GET", "/metrics")
      const counted = (labels: string) =>
        new RegExp(`shoal_http_requests_total\\{[^}]*${labels}[^}]*\\} (\\d+)`)
      expect(Number(counted('method="GET",route="hello",status="200"').exec(body)?.[1])).toBeGreaterThan(1)
      expect(body).toMatch(counted('method="HEAD",route="hello",status="200"'))
      expect(counted('method="POST",route="broken",status="500"').exec(body)?.[1]).toBe("1")
      expect(body).toContain('role="tracker"')
    })
  )

  it.effect("measures the time until an answer begins, by route", () =>
    Effect.gen(function* () {
      const timed = makeRoleMetrics("tracker")
      const slow = countedHandler(
        makeRequestCounter(timed),
        "slow",
        Effect.as(Effect.sleep("700 millis"), HttpServerResponse.text("late")),
        () => HttpServerResponse.empty({ status: 500 })
      )
      const app = yield* makeHttpApp([{ method: "GET", path: "/slow", handler: slow }], {
        metrics: timed,
        notReady: Effect.succeed([])
      })
      const request = HttpServerRequest.fromWeb(new Request("http://tracker/slow"))
      const asked = yield* Effect.forkChild(
        Effect.scoped(Effect.provideService(app, HttpServerRequest.HttpServerRequest, request))
      )
      yield* TestClock.adjust("700 millis")
      yield* Fiber.join(asked)
      const within = (bound: string) =>
        valuesOf(timed.text(), "shoal_http_request_seconds", { route: "slow" }, bound)
      expect(within("0.5")).toEqual({ count: 1, within: 0 })
      expect(within("1")).toEqual({ count: 1, within: 1 })
      expect(sumOf(timed.text(), "shoal_http_request_seconds_sum")).toBe(0.7)
    })
  )

  it.effect("shows what its process uses, where there is one", () =>
    Effect.gen(function* () {
      const health = { metrics: makeRoleMetrics("tracker"), notReady: Effect.succeed([]) }
      const scrape = (app: HttpApp) =>
        Effect.gen(function* () {
          const request = HttpServerRequest.fromWeb(new Request("http://tracker/metrics"))
          const answer = yield* Effect.scoped(
            Effect.provideService(app, HttpServerRequest.HttpServerRequest, request)
          )
          return yield* Effect.promise(() => HttpServerResponse.toWeb(answer).text())
        })
      expect(yield* scrape(yield* makeHttpApp([], health))).toBe("")
      const use = { cpuSeconds: 1.5, residentBytes: 4096, loopDelay: { p99: 0.01, max: 0.2 } }
      const text = yield* scrape(yield* Effect.provideService(makeHttpApp([], health), ProcessUse, () => use))
      expect(sumOf(text, "shoal_process_cpu_seconds_total", { role: "tracker" })).toBe(1.5)
      expect(sumOf(text, "shoal_process_resident_bytes")).toBe(4096)
      expect(sumOf(text, "shoal_process_event_loop_delay_seconds", { quantile: "0.99" })).toBe(0.01)
      expect(sumOf(text, "shoal_process_event_loop_delay_seconds", { quantile: "1" })).toBe(0.2)
    })
  )
})
