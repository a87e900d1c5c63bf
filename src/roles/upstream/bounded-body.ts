// Reads the answers of upstream registries, up to the maximum of their kind and no byte further.

import { Effect } from "effect"
import type { HttpClientError, HttpClientResponse } from "effect/http"
import { boundedBytes } from "../http/bounded-bytes.ts"
import { UpstreamAway } from "./upstream-errors.ts"

type Response = HttpClientResponse.HttpClientResponse

/** The body. Fails with UpstreamAway as soon as it is longer than `most` bytes. */
export const boundedBody = (
  response: Response,
  what: string,
  most: number
): Effect.Effect<Uint8Array, UpstreamAway | HttpClientError.HttpClientError> =>
  boundedBytes(
    response.stream,
    most,
    () => new UpstreamAway({ message: `${what} has more than ${most} bytes` })
  )

/** Ends a response whose body is not needed: reads a short body, so that the connection can be reused. */
export const discardBody = (response: Response, most: number): Effect.Effect<void> =>
  Effect.ignore(boundedBody(response, "an answer", most))

const decoder = new TextDecoder()

/** A short text from a refusal, on one line; empty when there is none. */
export const reasonIn = (response: Response, most: number): Effect.Effect<string> =>
  boundedBody(response, "a refusal", most).pipe(
    Effect.map((bytes) => decoder.decode(bytes).replace(/\s+/g, " ").trim().slice(0, 300)),
    Effect.orElseSucceed(() => "")
  )
