// The frames of HTTP on a simulated connection, one exchange per connection: the head of the request, the head of the
// response, chunks and ends of both bodies, and credit. Sizes are those of HTTP/1.1, within a few bytes. A small body
// travels inside its head, as it would in one packet.

import { Stream } from "effect"
import type { Cookies, Headers, HttpBody } from "effect/http"

/** The kind and bytes of a body, as far as the head contains them. */
export type FramedBody =
  | { readonly tag: "none" }
  | { readonly tag: "inline"; readonly bytes: Uint8Array }
  | { readonly tag: "chunks" }

export interface RequestHead {
  readonly tag: "RequestHead"
  readonly method: string
  readonly url: string
  readonly headers: Headers.Headers
  readonly contentType: string | undefined
  readonly contentLength: number | undefined
  readonly body: FramedBody
}

export interface ResponseHead {
  readonly tag: "ResponseHead"
  readonly status: number
  readonly headers: Headers.Headers
  readonly cookies: Cookies.Cookies
  readonly body: FramedBody
}

export type HttpFrame =
  | RequestHead
  | ResponseHead
  | { readonly tag: "Chunk"; readonly bytes: Uint8Array }
  | { readonly tag: "End" }
  | { readonly tag: "Credit"; readonly bytes: number }

/** Bodies up to this many bytes travel inside their head. */
const inlineBodyBytes = 8 * 1024

const numbers: Readonly<Record<HttpFrame["tag"], number>> = {
  RequestHead: 64,
  ResponseHead: 65,
  Chunk: 66,
  End: 67,
  Credit: 68
}

export const httpFrameNumber = (frame: HttpFrame): number => numbers[frame.tag]

/** Bytes on the wire. */
export const httpFrameSize = (frame: HttpFrame): number => {
  switch (frame.tag) {
    case "RequestHead":
      return (
        14 + frame.method.length + frame.url.length + headerBytes(frame.headers) + inlineBytes(frame.body)
      )
    case "ResponseHead":
      return 19 + headerBytes(frame.headers) + inlineBytes(frame.body)
    case "Chunk":
      return frame.bytes.byteLength + 10
    case "End":
      return 5
    case "Credit":
      return 40
  }
}

const headerBytes = (headers: Headers.Headers): number => {
  let bytes = 0
  for (const name of Object.keys(headers)) bytes += name.length + headers[name]!.length + 4
  return bytes
}

const inlineBytes = (body: FramedBody): number => (body.tag === "inline" ? body.bytes.byteLength : 0)

/** The form of a body on the wire. */
export const frameBody = (body: HttpBody.HttpBody): FramedBody => {
  if (body._tag === "Empty") return { tag: "none" }
  if (body._tag === "Uint8Array" && body.body.byteLength <= inlineBodyBytes) {
    return { tag: "inline", bytes: body.body }
  }
  return { tag: "chunks" }
}

/** The bytes of a body. Kinds that need the platform (forms, raw objects) die with a defect. */
export const bodyStream = (body: HttpBody.HttpBody): Stream.Stream<Uint8Array, unknown> => {
  switch (body._tag) {
    case "Empty":
      return Stream.empty
    case "Uint8Array":
      return Stream.succeed(body.body)
    case "Stream":
      return body.stream
    case "Raw":
    case "FormData":
      return Stream.die(new Error(`a body of kind ${body._tag} is not part of the simulated HTTP`))
  }
}
