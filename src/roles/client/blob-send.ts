// Sends a blob to another role. The time limit applies to silence: bytes must keep moving, and after the last one the
// receiver has the time that hashing, syncing and copying that much takes. A receiver that stops reading is given up.

import { Clock, Effect, Stream } from "effect"
import { HttpClientRequest } from "effect/http"
import { type TransportError, UpstreamFailed, type UpstreamResponse, type Upstreams } from "./upstreams.ts"

const MiB = 1024 * 1024

export interface OutgoingBlob<E> {
  /** Bytes of the whole body. */
  readonly length: number
  /** Can be run again, for another receiver. */
  readonly bytes: Stream.Stream<Uint8Array, E>
}

/** Sends a request with a blob as its body to the member at `url`. */
export const sendBlob = <A, E, R>(
  upstreams: Upstreams,
  url: string,
  request: HttpClientRequest.HttpClientRequest,
  blob: OutgoingBlob<unknown>,
  read: (response: UpstreamResponse) => Effect.Effect<A, E, R>
): Effect.Effect<A, Exclude<E, TransportError> | UpstreamFailed, R> =>
  Effect.gen(function* () {
    const { httpTimeout, commitTimeoutPerMiB } = upstreams.limits
    let sent = 0
    let moved = yield* Clock.currentTimeMillis
    const body = Stream.tap(blob.bytes, (chunk) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        sent += chunk.byteLength
        moved = now
      })
    )
    const answered = upstreams.ask(
      url,
      HttpClientRequest.bodyStream(request, body, {
        contentType: "application/octet-stream",
        contentLength: blob.length
      }),
      undefined,
      read
    )
    const commit = httpTimeout + commitTimeoutPerMiB * Math.ceil(blob.length / MiB)
    const watch: Effect.Effect<never, UpstreamFailed> = Effect.gen(function* () {
      for (;;) {
        const patience = (sent < blob.length ? httpTimeout : commit) / 1_000
        const waited = (yield* Clock.currentTimeMillis) - moved
        if (waited >= patience) {
          yield* upstreams.failed(url)
          return yield* new UpstreamFailed({
            url,
            message: `${request.method} ${request.url} stood still for ${waited / 1_000} s after ${sent} of ${blob.length} bytes`
          })
        }
        yield* Effect.sleep(patience - waited)
      }
    })
    return yield* Effect.raceFirst(answered, watch)
  })
