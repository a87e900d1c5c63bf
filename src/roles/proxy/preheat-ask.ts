// Asks one agent to preheat and reads its progress. The agent must answer and keep reporting; one that falls silent,
// hangs up early or lacks contents at the end has failed, with a reason.

import { Data, Effect, Exit, Schema, Stream } from "effect"
import { type HttpClient, HttpClientError, HttpClientRequest } from "effect/http"
import type { AskLimits } from "../client/limits.ts"
import { type PreheatAsk, PreheatProgress } from "../client/preheat-wire.ts"
import { whyFailed } from "../client/upstreams.ts"
import { toDuration } from "../services/clock.ts"
import type { ProxyLimits } from "./limits.ts"

export class AgentFailed extends Data.TaggedError("AgentFailed")<{ readonly message: string }> {}

const decodeProgress = Schema.decodeUnknownExit(Schema.fromJsonString(PreheatProgress))

const newline = 10

/** The lines of a body, each without its end. A line longer than maxPreheatLineBytes fails. */
const linesOf = <E>(
  body: Stream.Stream<Uint8Array, E>,
  mostBytes: number
): Stream.Stream<string, E | AgentFailed> => {
  let pending = new Uint8Array()
  return Stream.flatMap(body, (chunk): Stream.Stream<string, AgentFailed> => {
    const lines: string[] = []
    let bytes = new Uint8Array(pending.byteLength + chunk.byteLength)
    bytes.set(pending)
    bytes.set(chunk, pending.byteLength)
    for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline)) {
      lines.push(new TextDecoder().decode(bytes.subarray(0, end)))
      bytes = bytes.subarray(end + 1)
    }
    pending = bytes
    return pending.byteLength > mostBytes
      ? Stream.fail(new AgentFailed({ message: "it sent something other than its progress" }))
      : Stream.fromIterable(lines)
  })
}

/** Returns when the agent has all requested contents. `onProgress` is called for every line. */
export const askAgent = (
  client: HttpClient.HttpClient,
  url: string,
  ask: PreheatAsk,
  { maxPreheatLineBytes, preheatPatience, preheatSilence }: ProxyLimits & AskLimits,
  onProgress: (progress: PreheatProgress) => void
): Effect.Effect<void, AgentFailed> => {
  const silent = () => new AgentFailed({ message: `it reported nothing for ${preheatSilence / 1_000_000} s` })
  const silence = toDuration(preheatSilence)

  return Effect.gen(function* () {
    const response = yield* Effect.timeoutOrElse(
      client.execute(HttpClientRequest.post(`${url}/preheat`).pipe(HttpClientRequest.bodyJsonUnsafe(ask))),
      { duration: silence, orElse: () => Effect.fail(silent()) }
    )
    if (response.status !== 200) {
      const text = yield* Stream.runHead(Stream.decodeText(response.stream))
      const why = text._tag === "Some" ? text.value.replace(/\s+/g, " ").slice(0, 300) : ""
      return yield* new AgentFailed({ message: `it answered ${response.status}: ${why}` })
    }
    let last: PreheatProgress | undefined
    yield* linesOf(
      Stream.timeoutOrElse(response.stream, {
        duration: silence,
        orElse: () => Stream.fail(silent())
      }),
      maxPreheatLineBytes
    ).pipe(
      Stream.runForEach((line) => {
        const progress = decodeProgress(line)
        if (Exit.isFailure(progress)) {
          return Effect.fail(
            new AgentFailed({ message: `it sent ${line.slice(0, 200)}, which is no progress` })
          )
        }
        last = progress.value
        onProgress(last)
        return Effect.void
      })
    )
    if (last?.ended !== true) return yield* new AgentFailed({ message: "it broke off" })
    if (last.done < ask.contents.length) {
      return yield* new AgentFailed({
        message: `it lacks ${ask.contents.length - last.done} of ${ask.contents.length}: ${last.message ?? "no reason given"}`
      })
    }
  }).pipe(
    Effect.mapError((error) =>
      HttpClientError.isHttpClientError(error)
        ? new AgentFailed({ message: `it does not answer: ${whyFailed(error)}` })
        : error
    ),
    Effect.timeoutOrElse({
      duration: toDuration(preheatPatience),
      orElse: () =>
        Effect.fail(new AgentFailed({ message: `it was not done in ${preheatPatience / 1_000_000} s` }))
    })
  )
}
