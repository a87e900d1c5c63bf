// Tests of the response with immutable content: status, headers and bytes by the condition and the range of the
// request.

import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import type { Digest } from "../../protocol/wire/digest.ts"
import type { BlobSelection } from "../oci/byte-range.ts"
import { ociLimits } from "../oci/limits.ts"
import { blobResponse } from "./blob-response.ts"

const digest = `sha256:${"ab".repeat(32)}` as Digest
const tag = `"${digest}"`
const content = Uint8Array.from({ length: 30 }, (_, index) => index)

interface Asked {
  readonly method?: "GET" | "HEAD"
  readonly length?: number
  readonly headers?: Readonly<Record<string, string>>
}

const answer = async ({ method = "GET", length = content.length, headers = {} }: Asked) => {
  const read: Array<BlobSelection> = []
  const response = blobResponse({
    request: HttpServerRequest.fromWeb(new Request("http://registry/v2/a/blobs/x", { method, headers })),
    digest,
    length,
    read: (selection) => {
      read.push(selection)
      return Stream.fromIterable(selection.ranges.map(({ start, end }) => content.slice(start, end)))
    },
    limits: { ...ociLimits, maxRanges: 3, maxRangeOverlaps: 1 }
  })
  const web = HttpServerResponse.toWeb(response)
  const body = new Uint8Array(await web.arrayBuffer())
  const codes =
    web.headers.get("content-type") === "application/json" ? JSON.parse(`${Buffer.from(body)}`) : {}
  return {
    status: web.status,
    code: codes.errors?.[0].code as string | undefined,
    headers: Object.fromEntries(web.headers),
    /** The headers, also the length of a response without a body. */
    told: { ...response.headers },
    body,
    read
  }
}

const immutable = {
  "docker-content-digest": digest,
  etag: tag,
  "accept-ranges": "bytes",
  "cache-control": "max-age=31536000, immutable"
}

describe("the response with a blob", () => {
  it("is the whole blob under its digest, which never changes", async () => {
    const got = await answer({})
    expect(got.status).toBe(200)
    expect(got.told).toMatchObject({ ...immutable, "content-type": "application/octet-stream" })
    expect(got.told["content-length"]).toBe("30")
    expect(got.body).toEqual(content)
    expect(got.read).toEqual([{ ranges: [{ start: 0, end: 30 }], isWhole: true }])
  })

  it("of a HEAD and of an empty blob has the length and reads nothing", async () => {
    for (const [asked, length] of [
      [{ method: "HEAD" }, "30"],
      [{ method: "HEAD", headers: { range: "bytes=0-9" } }, "30"],
      [{ length: 0 }, "0"]
    ] as const) {
      const got = await answer(asked)
      expect(got.status).toBe(200)
      expect(got.told).toMatchObject({
        ...immutable,
        "content-type": "application/octet-stream",
        "content-length": length
      })
      expect(got.read).toEqual([])
    }
  })

  it("of one range has these bytes and says which", async () => {
    for (const headers of [{ range: "bytes=10-19" }, { range: "bytes=10-19", "if-range": tag }]) {
      const got = await answer({ headers })
      expect(got.status).toBe(206)
      expect(got.told).toMatchObject({
        ...immutable,
        "content-range": "bytes 10-19/30",
        "content-type": "application/octet-stream",
        "content-length": "10"
      })
      expect(got.body).toEqual(content.slice(10, 20))
      expect(got.read).toEqual([{ ranges: [{ start: 10, end: 20 }], isWhole: false }])
    }
  })

  it("of several ranges is multipart, with the length of all of it", async () => {
    const got = await answer({ headers: { range: "bytes=0-1,20-" } })
    expect(got.status).toBe(206)
    expect(got.told).toMatchObject(immutable)
    expect(got.told["content-type"]).toMatch(/^multipart\/byteranges; boundary=abab/)
    expect(got.told["content-length"]).toBe(String(got.body.length))
    expect(got.told["content-range"]).toBeUndefined()
  })

  it("is the whole blob when If-Range names other content", async () => {
    const got = await answer({ headers: { range: "bytes=0-1", "if-range": `W/${tag}` } })
    expect([got.status, got.body.length]).toEqual([200, 30])
  })

  it("has no body when the client has the content, whatever range it asks for", async () => {
    const got = await answer({ headers: { "if-none-match": `W/${tag}`, range: "bytes=99-" } })
    expect([got.status, got.body.length]).toEqual([304, 0])
    expect(got.told).toMatchObject(immutable)
    expect(got.read).toEqual([])
  })

  it("refuses other content first, then ranges without a byte, with too many overlaps, and too many", async () => {
    const other = await answer({ headers: { "if-match": '"x"', "if-none-match": tag } })
    expect([other.status, other.code, other.told.etag]).toEqual([412, "UNSUPPORTED", tag])
    for (const range of ["bytes=30-", "bytes=0-9,0-9,0-9"]) {
      const none = await answer({ headers: { range } })
      expect([none.status, none.code]).toEqual([416, "SIZE_INVALID"])
      expect(none.told).toMatchObject({ ...immutable, "content-range": "bytes */30" })
    }
    const many = await answer({ headers: { range: "bytes=0-0,2-2,4-4,6-6" } })
    expect([many.status, many.code, many.told["accept-ranges"]]).toEqual([400, "SIZE_INVALID", "bytes"])
    expect(many.told["content-range"]).toBeUndefined()
    expect((await answer({ headers: { range: "bytes=0-0,2-2,4-4" } })).status).toBe(206)
  })

  it.effect("fails while it is read when the bytes fail", () =>
    Effect.gen(function* () {
      const response = blobResponse({
        request: HttpServerRequest.fromWeb(new Request("http://registry/x")),
        digest,
        length: 30,
        read: () => Stream.fail("broken"),
        limits: ociLimits
      })
      const read = Effect.promise(() =>
        HttpServerResponse.toWeb(response)
          .arrayBuffer()
          .then(
            () => "read",
            () => "failed"
          )
      )
      expect(yield* read).toBe("failed")
    })
  )
})
