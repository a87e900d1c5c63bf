// Orders a preheat at a proxy for `shoal preheat` and follows it to its end. Prints a line at the beginning, one for each
// agent that failed, and one at the end. Ctrl-C leaves the preheat running under the id that was printed.

import { Console, Effect, Schema } from "effect"
import { HttpClient, HttpClientError, HttpClientRequest } from "effect/http"
import { whyFailed } from "../roles/client/upstreams.ts"
import { nodeHttpClient } from "../runtime-net/http/http-client.ts"
import { CliFailure } from "./cli-failure.ts"

const betweenLooks = "500 millis"

/** The fields of a proxy's answer that are used here (src/roles/proxy/preheat-status.ts). */
const Status = Schema.Struct({
  id: Schema.String,
  image: Schema.String,
  state: Schema.String,
  message: Schema.optionalKey(Schema.String),
  contents: Schema.Number,
  bytes: Schema.Number,
  agents: Schema.Struct({ total: Schema.Number, done: Schema.Number, failed: Schema.Number }),
  perAgent: Schema.Array(Schema.Struct({ url: Schema.String, message: Schema.optionalKey(Schema.String) }))
})
const Refusal = Schema.Struct({ errors: Schema.NonEmptyArray(Schema.Struct({ message: Schema.String })) })

const decodeStatus = Schema.decodeUnknownEffect(Schema.fromJsonString(Status))
const decodeRefusal = Schema.decodeUnknownEffect(Schema.fromJsonString(Refusal))

const ask = (request: HttpClientRequest.HttpClientRequest, status: number) =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const response = yield* client.execute(request)
    const text = yield* response.text
    if (response.status !== status) {
      const why = yield* Effect.match(decodeRefusal(text), {
        onSuccess: ({ errors }) => errors[0].message,
        onFailure: () => "it is no proxy that preheats: does its configuration name trackers?"
      })
      return yield* new CliFailure({ message: `${request.url} answers ${response.status}: ${why}` })
    }
    return yield* decodeStatus(text)
  }).pipe(
    Effect.mapError((error) => {
      if (error instanceof CliFailure) return error
      const why = HttpClientError.isHttpClientError(error) ? whyFailed(error) : error.message
      return new CliFailure({ message: `${request.url}: ${why.replace(/\s+/g, " ")}` })
    })
  )

export const orderPreheat = (
  proxy: string,
  order: object,
  detach: boolean
): Effect.Effect<void, CliFailure> =>
  Effect.gen(function* () {
    const begin = HttpClientRequest.post(`${proxy}/preheat`).pipe(HttpClientRequest.bodyJsonUnsafe(order))
    let status = yield* ask(begin, 202)
    const { id, image, contents, bytes, agents } = status
    yield* Console.log(
      `preheat ${id}: ${image}, ${contents} contents of ${(bytes / 1e6).toFixed(1)} MB, at ${agents.total} agents`
    )
    if (detach) return
    while (status.state === "resolving" || status.state === "running") {
      yield* Effect.sleep(betweenLooks)
      status = yield* ask(HttpClientRequest.get(`${proxy}/preheat/${id}?agents=failed`), 200)
    }
    const last = yield* ask(HttpClientRequest.get(`${proxy}/preheat/${id}?agents=failed`), 200)
    for (const { url, message } of last.perAgent) yield* Console.log(`${url} failed: ${message ?? "?"}`)
    if (last.state !== "done") {
      return yield* new CliFailure({
        message: `preheat ${id} ${last.state}: ${last.message ?? "no reason told"}`
      })
    }
    yield* Console.log(`done at ${last.agents.done} agents`)
  }).pipe(Effect.provide(nodeHttpClient))
