// Requests to the members of a cluster: answers and failures, members that cool down, rounds, and health reports.

import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Option, Stream } from "effect"
import { HttpClient, HttpClientError, HttpClientRequest, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { sendBlob } from "./blob-send.ts"
import { AskLimits, askLimits } from "./limits.ts"
import {
  baseUrl,
  discardBody,
  inRounds,
  makeUpstreams,
  noneHealthy,
  refusedBy,
  UpstreamFailed,
  type Upstreams,
  whyFailed
} from "./upstreams.ts"

type Answer = { readonly status: number; readonly body?: string } | "unreachable" | "silent"

/** Members that answer by a script, and the URLs that were asked, in order. */
const scripted = (answers: Record<string, Answer>) => {
  const asked: string[] = []
  const client = HttpClient.make((request) => {
    asked.push(request.url)
    const answer = answers[new URL(request.url).origin] ?? { status: 200 }
    if (answer === "silent") return Effect.never
    if (answer === "unreachable") {
      return Effect.fail(
        new HttpClientError.HttpClientError({
          reason: new HttpClientError.TransportError({ request, cause: new Error("connection\nrefused") })
        })
      )
    }
    return Effect.succeed(
      HttpClientResponse.fromWeb(request, new Response(answer.body ?? "", { status: answer.status }))
    )
  })
  const make = (limits: Partial<typeof askLimits> = {}): Effect.Effect<Upstreams> =>
    makeUpstreams.pipe(
      Effect.provideService(HttpClient.HttpClient, client),
      Effect.provideService(AskLimits, { ...askLimits, ...limits })
    )
  return { asked, make, answers }
}

const [a, b, c] = ["http://a:1", "http://b:1", "http://c:1"]

/** Asks a member for /x, and gives the status of its answer. */
const statusOf = (upstreams: Upstreams, url: string, within?: number) =>
  upstreams.ask(url, HttpClientRequest.get(`${url}/x`), within, (response) =>
    Effect.as(discardBody(response), response.status)
  )

const failureOf = <A, R>(asked: Effect.Effect<A, UpstreamFailed, R>) =>
  Effect.map(Effect.flip(asked), ({ message }) => message)

describe("a request to a member", () => {
  it.effect("has an answer up to status 499, and fails with the body of any other", () =>
    Effect.gen(function* () {
      const { make } = scripted({
        [a]: { status: 499 },
        [b]: { status: 500, body: ` out\n of   paper ${"x".repeat(400)}` }
      })
      const upstreams = yield* make()
      assert.strictEqual(yield* statusOf(upstreams, a), 499)
      const message = yield* failureOf(statusOf(upstreams, b))
      assert.strictEqual(message, `GET http://b:1/x was answered 500: out of paper ${"x".repeat(287)}`)
      assert.deepStrictEqual(yield* upstreams.awake([a, b]), [a, b], "a member that answers is awake")
    })
  )

  it.effect("fails on one line when the member cannot be reached, which then cools down", () =>
    Effect.gen(function* () {
      const { make, answers } = scripted({ [a]: "unreachable" })
      const upstreams = yield* make()
      assert.strictEqual(
        yield* failureOf(statusOf(upstreams, a)),
        "GET http://a:1/x failed: connection refused"
      )
      assert.deepStrictEqual(yield* upstreams.preferred([a, b, c]), [b, c, a])
      assert.deepStrictEqual(yield* upstreams.awake([a, b, c]), [b, c])
      yield* TestClock.adjust("9999 millis")
      assert.deepStrictEqual(yield* upstreams.awake([a]), [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* upstreams.awake([a]), [a])
      yield* failureOf(statusOf(upstreams, a))
      answers[a] = { status: 200 }
      yield* statusOf(upstreams, a)
      assert.deepStrictEqual(yield* upstreams.awake([a]), [a], "an answer ends the cooldown")
    })
  )

  it.effect("may take its time and no more", () =>
    Effect.gen(function* () {
      const upstreams = yield* scripted({ [a]: "silent" }).make()
      const asked = yield* Effect.forkChild(failureOf(statusOf(upstreams, a, 2_000_000)))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(asked), "GET http://a:1/x was not answered within 2 s")
      assert.deepStrictEqual(yield* upstreams.awake([a]), [])
    })
  )

  it.effect("tells the reason of a refusal", () =>
    Effect.gen(function* () {
      const upstreams = yield* scripted({ [a]: { status: 403, body: "not\nyou" } }).make()
      const refused = upstreams.ask(a, HttpClientRequest.get(`${a}/x`), undefined, (response) =>
        refusedBy(a, "the blob", response)
      )
      assert.strictEqual(yield* failureOf(refused), "http://a:1 refused the blob with 403: not you")
    })
  )
})

it("the reason of a failed request is its cause's, or its own when the cause says nothing", () => {
  const request = HttpClientRequest.get("http://a:1/x")
  const why = (cause?: unknown) =>
    whyFailed(
      new HttpClientError.HttpClientError({
        reason: new HttpClientError.TransportError({ request, ...(cause === undefined ? {} : { cause }) })
      })
    )
  assert.strictEqual(why(new Error("connection\nrefused")), "connection refused")
  for (const silent of [new Error(""), "no error", undefined]) assert.include(why(silent), "http://a:1/x")
})

describe("a search", () => {
  /** Members that have it, lack it, or fail, by a letter each. */
  const searching = (upstreams: Upstreams, members: Record<string, "has" | "lacks" | "fails">) => {
    const order: string[] = []
    return Effect.map(
      upstreams.search(Object.keys(members), (url) => {
        order.push(url)
        const member = members[url]
        if (member === "fails") return Effect.fail(new UpstreamFailed({ url, message: `${url} fails` }))
        return Effect.succeed(member === "has" ? Option.some(url) : Option.none())
      }),
      (result) => ({ ...result, order })
    )
  }

  it.effect("ends with the first member that has it", () =>
    Effect.gen(function* () {
      const upstreams = yield* scripted({}).make()
      const result = yield* searching(upstreams, { [a]: "lacks", [b]: "has", [c]: "has" })
      assert.deepStrictEqual(result, { found: Option.some(b), lacking: 1, failures: [], order: [a, b] })
    })
  )

  it.effect("counts those that lack it, and lists those that fail", () =>
    Effect.gen(function* () {
      const upstreams = yield* scripted({}).make()
      const result = yield* searching(upstreams, { [a]: "lacks", [b]: "fails", [c]: "lacks" })
      assert.deepStrictEqual(result, {
        found: Option.none(),
        lacking: 2,
        failures: ["http://b:1 fails"],
        order: [a, b, c]
      })
    })
  )

  it.effect("asks a member that cools down last, and not at all once another has answered", () =>
    Effect.gen(function* () {
      const upstreams = yield* scripted({}).make()
      yield* upstreams.failed(a)
      const asked = yield* searching(upstreams, { [a]: "has", [b]: "fails" })
      assert.deepStrictEqual([asked.order, asked.found], [[b, a], Option.some(a)])
      const spared = yield* searching(upstreams, { [a]: "has", [b]: "lacks" })
      assert.deepStrictEqual(spared.order, [b])
      assert.deepStrictEqual(spared.failures, ["http://a:1 failed recently and was not asked again"])
    })
  )

  it.effect("asks all members when all cool down", () =>
    Effect.gen(function* () {
      const upstreams = yield* scripted({}).make()
      for (const url of [a, b]) yield* upstreams.failed(url)
      const result = yield* searching(upstreams, { [a]: "fails", [b]: "has" })
      assert.deepStrictEqual([result.order, result.found], [[a, b], Option.some(b)])
    })
  )
})

describe("rounds", () => {
  it.effect("repeat an unanswered request after a wait that doubles, and no other failure", () =>
    Effect.gen(function* () {
      const limits = { ...askLimits, upstreamRounds: 4, upstreamRoundDelay: 100_000 }
      const times: number[] = []
      const failing = (message: string) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          times.push(now)
          return Effect.fail(new UpstreamFailed({ url: a, message }))
        })
      const retried = (message: string) =>
        inRounds(limits, (error) => (error as UpstreamFailed).message === "unanswered")(failing(message))
      const rounds = yield* Effect.forkChild(Effect.flip(retried("unanswered")))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(rounds)
      const [first, ...later] = times
      assert.deepStrictEqual(
        later.map((time) => time - first!),
        [100, 300, 700]
      )
      times.length = 0
      yield* Effect.flip(retried("refused"))
      assert.lengthOf(times, 1)
    })
  )
})

describe("health", () => {
  it.effect("is reported as a line for each member that fails, and as none when one member answers", () =>
    Effect.gen(function* () {
      const { make, asked } = scripted({ [a]: "unreachable", [b]: { status: 503, body: "starting" } })
      const upstreams = yield* make()
      assert.deepStrictEqual(yield* noneHealthy(upstreams, [a, b]), [
        "GET http://a:1/health failed: connection refused",
        "GET http://b:1/health was answered 503: starting"
      ])
      assert.deepStrictEqual(yield* noneHealthy(upstreams, [a, c]), [])
      assert.include(asked, "http://c:1/health")
    })
  )

  it("knows a member by its URL without the slash at its end", () => {
    assert.deepStrictEqual([baseUrl("http://a:1/"), baseUrl("http://a:1")], ["http://a:1", "http://a:1"])
  })
})

describe("a blob that is sent", () => {
  const sending = (upstreams: Upstreams, length: number, bytes: Stream.Stream<Uint8Array>) =>
    failureOf(
      sendBlob(upstreams, a, HttpClientRequest.put(`${a}/x`), { length, bytes }, (response) =>
        Effect.as(discardBody(response), response.status)
      )
    )

  it.effect("is given up when the receiver takes no bytes for as long as an answer may take", () =>
    Effect.gen(function* () {
      const upstreams = yield* scripted({ [a]: "silent" }).make({ httpTimeout: 3_000_000 })
      const sent = yield* Effect.forkChild(sending(upstreams, 10, Stream.succeed(new Uint8Array(10))))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* Fiber.join(sent), "PUT http://a:1/x stood still for 3 s after 0 of 10 bytes")
      assert.deepStrictEqual(yield* upstreams.awake([a]), [])
    })
  )
})
