// Requests to a cluster that is reached by HTTP alone, so that real processes and simulated hosts get the same ones: a
// blob of random bytes is pushed to a registry, then the registries of all agents are asked for it at the same instant.
// An agent is done when the last byte of its answer arrives: it holds the last piece back until the blob is complete,
// verified and committed. It needs a client, a clock and bytes, and knows no world.

import { createCipheriv, createHash, hash } from "node:crypto"
import { Data, Duration, Effect, Stream } from "effect"
import { type HttpClient, type HttpClientError, HttpClientRequest } from "effect/http"
import type { Micros } from "../../src/protocol/kit/time.ts"

/** The base URL of a registry, and the client for it. */
export interface AskedRegistry {
  readonly url: string
  readonly client: HttpClient.HttpClient
}

export interface RandomBlob {
  /** "sha256:..." */
  readonly digest: string
  readonly bytes: Uint8Array
}

/** A registry answered with another status or another number of bytes. */
export class RegistryRefused extends Data.TaggedError("RegistryRefused")<{ readonly message: string }> {}

/** Bytes of the blob that agents pull before the measured one: a process is at full speed only after a first pull. */
export const warmUpBytes = 4 * 1024 * 1024
/** Time between the warm-up and the request, in which buckets fill up again. */
export const settleMillis = 6_000

const repository = "measured/blob"

/** Bytes that do not repeat, and are equal for equal seeds: the key stream of AES-256 in counter mode. */
export const randomBlob = (seed: string, length: number): RandomBlob => {
  const key = hash("sha256", seed, "buffer")
  const bytes = createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(length))
  return { digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`, bytes }
}

const refused = (what: string, expected: number, got: number): RegistryRefused =>
  new RegistryRefused({ message: `${what}: expected ${expected}, got ${got}` })

/** Pushes a blob as container tools do: it opens a session, then sends all bytes with the digest. */
export const pushBlob = (
  { url, client }: AskedRegistry,
  { digest, bytes }: RandomBlob
): Effect.Effect<void, RegistryRefused | HttpClientError.HttpClientError> =>
  Effect.gen(function* () {
    const session = yield* client.post(`${url}/v2/${repository}/blobs/uploads/`)
    yield* Stream.runDrain(session.stream)
    const { location } = session.headers
    if (session.status !== 202 || location === undefined) return yield* refused("upload", 202, session.status)
    const put = yield* client.execute(
      HttpClientRequest.put(`${url}${location}?digest=${digest}`).pipe(
        HttpClientRequest.bodyUint8Array(bytes, "application/octet-stream")
      )
    )
    yield* Stream.runDrain(put.stream)
    if (put.status !== 201) return yield* refused(`push of ${digest}`, 201, put.status)
  })

/**
 * Asks all registries for the blob at once, or each `stagger` after the one before, and discards the bytes. Gives when
 * each was done, since the first was asked.
 */
export const pullAtOnce = (
  registries: ReadonlyArray<AskedRegistry>,
  { digest, bytes }: RandomBlob,
  now: () => Micros,
  stagger: Micros = 0
): Effect.Effect<ReadonlyArray<Micros>, RegistryRefused | HttpClientError.HttpClientError> =>
  Effect.gen(function* () {
    const asked = now()
    const pull = ({ url, client }: AskedRegistry, index: number) =>
      Effect.gen(function* () {
        if (stagger > 0) yield* Effect.sleep(Duration.millis((index * stagger) / 1000))
        const response = yield* client.get(`${url}/v2/${repository}/blobs/${digest}`)
        if (response.status !== 200) return yield* refused(`pull from ${url}`, 200, response.status)
        const received = yield* Stream.runFold(
          response.stream,
          () => 0,
          (sum: number, chunk) => sum + chunk.byteLength
        )
        if (received !== bytes.byteLength) {
          return yield* refused(`bytes from ${url}`, bytes.byteLength, received)
        }
        return now() - asked
      })
    return yield* Effect.forEach(registries, pull, { concurrency: "unbounded" })
  })
