// Sizes of HTTP frames, and which bodies travel inside their head.

import { HttpBody } from "effect/http"
import { describe, expect, it } from "vitest"
import { frameBody, httpFrameSize } from "./http-frames.ts"

const bytes = (length: number) => HttpBody.uint8Array(new Uint8Array(length))

describe("a body on the wire", () => {
  it("travels inside the head up to 8 KiB, and in chunks beyond", () => {
    expect(frameBody(HttpBody.empty)).toEqual({ tag: "none" })
    expect(frameBody(bytes(8192)).tag).toBe("inline")
    expect(frameBody(bytes(8193)).tag).toBe("chunks")
  })

  it("counts as HTTP/1.1 would: lines, headers with their separators, and chunk sizes", () => {
    const chunk = (length: number) => httpFrameSize({ tag: "Chunk", bytes: new Uint8Array(length) })
    expect(chunk(100) - chunk(0)).toBe(100)
    expect(chunk(0)).toBe(10)
    expect(httpFrameSize({ tag: "End" })).toBe(5)
    const head = {
      tag: "RequestHead" as const,
      method: "GET",
      url: "/v2/",
      headers: { accept: "a/b" } as never,
      contentType: undefined,
      contentLength: undefined,
      body: { tag: "inline" as const, bytes: new Uint8Array(7) }
    }
    expect(httpFrameSize(head)).toBe("GET /v2/ HTTP/1.1\r\n\r\n".length + "accept: a/b\r\n".length + 7)
  })
})
