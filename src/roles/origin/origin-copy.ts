// The body with which one origin gives another a copy of a blob: the canonical metainfo first, the blob after it, so
// that an owner never has one without the other for long. The URL's query has the length of the first part.

import { Effect, Pull, type Scope, Stream } from "effect"
import { invariant } from "../../protocol/kit/invariant.ts"
import type { Digest } from "../../protocol/wire/digest.ts"
import { decodeMetainfo, encodeMetainfo, type Metainfo, metainfoBytes } from "../../protocol/wire/metainfo.ts"
import type { OutgoingBlob } from "../client/blob-send.ts"

/** Bytes of the longest metainfo, that of a blob with a SHA-512 digest. */
const maxMetainfoBytes = metainfoBytes("sha512:".length + 128)

export const metainfoLengthParameter = "metainfo"

/** The body of a copy, and the bytes of its first part. */
export const encodeCopy = <E>(
  metainfo: Metainfo,
  blob: Stream.Stream<Uint8Array, E>
): { readonly body: OutgoingBlob<E>; readonly metainfoLength: number } => {
  const first = encodeMetainfo(metainfo)
  return {
    metainfoLength: first.byteLength,
    body: {
      length: first.byteLength + metainfo.length,
      bytes: Stream.concat(Stream.succeed<Uint8Array>(first), blob)
    }
  }
}

export interface IncomingCopy<E> {
  readonly metainfo: Metainfo
  /** The blob's bytes; can be run once. */
  readonly blob: Stream.Stream<Uint8Array, E>
}

/** Reads the metainfo from the front of a copy's body. Returns a reason when it is invalid. */
export const decodeCopy = <E>(
  digest: Digest,
  parameter: string | undefined,
  body: Stream.Stream<Uint8Array, E>
): Effect.Effect<IncomingCopy<E> | string, E, Scope.Scope> =>
  Effect.gen(function* () {
    const length = Number(parameter ?? "")
    if (!Number.isInteger(length) || length <= 0 || length > maxMetainfoBytes) {
      return `the query's ${metainfoLengthParameter} must be the bytes of the metainfo, 1 to ${maxMetainfoBytes}`
    }
    const { prefix, rest } = yield* splitAt(body, length)
    if (prefix.byteLength < length) return "the body ended within the metainfo"
    const metainfo = decodeMetainfo(prefix)
    if ("tag" in metainfo) return `the metainfo is malformed: ${metainfo.reason}`
    if (metainfo.digest !== digest) return `the metainfo is of ${metainfo.digest}`
    return { metainfo, blob: rest }
  })

/** The first `length` bytes of a stream, fewer when it ends earlier, and the stream of the bytes after them. */
export const splitAt = <E>(
  stream: Stream.Stream<Uint8Array, E>,
  length: number
): Effect.Effect<
  { readonly prefix: Uint8Array; readonly rest: Stream.Stream<Uint8Array, E> },
  E,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const pull = yield* Stream.toPull(stream)
    const prefix = new Uint8Array(length)
    let filled = 0
    let leftover: ReadonlyArray<Uint8Array> = []
    while (filled < length) {
      const chunks = yield* Pull.catchDone(pull, () => Effect.succeed(undefined))
      if (chunks === undefined) return { prefix: prefix.subarray(0, filled), rest: Stream.empty }
      const after: Uint8Array[] = []
      for (const chunk of chunks) {
        const taken = Math.min(chunk.byteLength, length - filled)
        prefix.set(chunk.subarray(0, taken), filled)
        filled += taken
        if (taken < chunk.byteLength) after.push(chunk.subarray(taken))
      }
      leftover = after
    }
    invariant(filled === length, "splitAt: read past the prefix")
    return { prefix, rest: Stream.concat(Stream.fromArray(leftover), Stream.fromPull(Effect.succeed(pull))) }
  })
