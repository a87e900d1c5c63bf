// Reads a range of a blob from origins: from the first one that has it, and where one breaks off or stalls, from the
// next one at that byte. It fails after two rounds over the origins.
//
// Invariant: the result is exactly the bytes [start, end), in order, or an error.

import { Effect, Stream } from "effect"
import { HttpClientRequest } from "effect/http"
import type { Digest } from "../../protocol/wire/digest.ts"
import { formatContentRange } from "../oci/byte-range.ts"
import { toDuration } from "../services/clock.ts"
import { formatBlobPath } from "./blob-path.ts"
import { blobUnknown, type OriginReadError, OriginUnavailable } from "./origin-errors.ts"
import { discardBody, refusedBy, UpstreamFailed, type Upstreams } from "./upstreams.ts"

export interface OriginRead {
  readonly upstreams: Upstreams
  /** Base URLs, owners first. */
  readonly order: ReadonlyArray<string>
  readonly namespace: string
  readonly digest: Digest
  readonly start: number
  readonly end: number
}

export const readFromOrigins = (options: OriginRead): Stream.Stream<Uint8Array, OriginReadError> => {
  const { upstreams, order, namespace, digest, start, end } = options
  const { httpTimeout } = upstreams.limits
  if (start === end) return Stream.empty

  const open = (url: string, at: number) =>
    upstreams.ask(
      url,
      HttpClientRequest.get(url + formatBlobPath({ tag: "Blob", namespace, digest }), {
        headers: { range: `bytes=${at}-${end - 1}` }
      }),
      httpTimeout,
      (response) =>
        Effect.gen(function* () {
          if (response.status === 206) {
            const given = response.headers["content-range"] ?? ""
            // The total length after the slash is ignored.
            if (given.startsWith(formatContentRange(at, end, 0).slice(0, -1))) return response.stream
            return yield* new UpstreamFailed({
              url,
              message: `${url} gave ${given} of ${digest}, not from ${at}`
            })
          }
          if (response.status !== 404) return yield* refusedBy(url, `bytes of ${digest}`, response)
          yield* discardBody(response)
          return undefined
        })
    )

  const brokeOff = (url: string, why: string): Stream.Stream<never, UpstreamFailed> =>
    Stream.unwrap(
      Effect.as(
        upstreams.failed(url),
        Stream.fail(new UpstreamFailed({ url, message: `${url} broke off ${digest}: ${why}` }))
      )
    )

  return Stream.suspend(() => {
    let at = start
    let lacking = 0
    const failures: string[] = []

    const from = (url: string): Stream.Stream<Uint8Array, UpstreamFailed> =>
      Stream.unwrap(
        Effect.map(open(url, at), (body) => {
          if (body === undefined) {
            lacking++
            return Stream.fail(new UpstreamFailed({ url, message: `${url} does not have ${digest}` }))
          }
          return body.pipe(
            Stream.map((chunk) => {
              at += chunk.byteLength
              return chunk
            }),
            Stream.catch((error) => brokeOff(url, error.message)),
            Stream.timeoutOrElse({
              duration: toDuration(httpTimeout),
              orElse: () => brokeOff(url, `no byte for ${httpTimeout / 1_000_000} s`)
            }),
            Stream.concat(
              Stream.suspend(() =>
                at >= end ? Stream.empty : brokeOff(url, `${end - at} bytes are missing`)
              )
            )
          )
        })
      )

    const tryNext = (urls: ReadonlyArray<string>): Stream.Stream<Uint8Array, OriginReadError> => {
      const [url, ...rest] = urls
      if (url === undefined) {
        return Stream.fail(
          lacking === failures.length
            ? blobUnknown(digest)
            : new OriginUnavailable({ message: `${digest} cannot be read: ${failures.join("; ")}` })
        )
      }
      return Stream.catch(
        Stream.suspend(() => from(url)),
        (error) => {
          failures.push(error.message)
          return tryNext(rest)
        }
      )
    }

    return Stream.unwrap(
      Effect.map(upstreams.preferred(order), (preferred) => tryNext([...preferred, ...preferred]))
    )
  })
}
