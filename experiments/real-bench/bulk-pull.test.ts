// Tests of the client that pulls large blobs: it accepts the blob in any pieces, and refuses other bytes, another
// length, another status and a connection that breaks off.

import { once } from "node:events"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { afterEach, expect, test } from "vitest"
import { makeBulkBlock } from "./bulk-content.ts"
import { headerProblem, pullBulk } from "./bulk-pull.ts"

const length = 300_000
const blob = Buffer.from(makeBulkBlock("test").become(0).subarray(0, length))
const header = `HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\ncontent-length: ${length}\r\n\r\n`

let stop = () => {}
afterEach(() => stop())

/** Pulls from a server that answers so. */
const pullFrom = async (answer: (socket: Socket) => void): Promise<void> => {
  const server = createServer((socket) => {
    socket.on("error", () => undefined)
    socket.once("data", () => answer(socket))
  }).listen(0, "127.0.0.1")
  stop = () => server.close()
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  await pullBulk(`http://127.0.0.1:${port}/v2/x/blobs/y`, { seed: "test", length, digest: "" }, 60_000)
}

test("the blob is accepted, with its header in the same piece or cut in the middle", async () => {
  await pullFrom((socket) => socket.end(Buffer.concat([Buffer.from(header), blob])))
  await pullFrom((socket) => {
    socket.write(header.slice(0, 30))
    setImmediate(() => {
      socket.write(header.slice(30, -2))
      setImmediate(() => socket.end(Buffer.concat([Buffer.from(header.slice(-2)), blob])))
    })
  })
})

test("a wrong byte is refused", async () => {
  const wrong = Buffer.from(blob)
  wrong[length - 1]! ^= 1
  await expect(pullFrom((socket) => socket.end(Buffer.concat([Buffer.from(header), wrong])))).rejects.toThrow(
    "not those that were pushed"
  )
})

test("a connection that breaks off is refused", async () => {
  await expect(
    pullFrom((socket) => socket.end(Buffer.concat([Buffer.from(header), blob.subarray(5)])))
  ).rejects.toThrow("not those that were pushed")
  await expect(
    pullFrom((socket) => socket.end(Buffer.concat([Buffer.from(header), blob.subarray(0, 5)])))
  ).rejects.toThrow(`breaks off after 5 of ${length} bytes`)
})

test("another status, another length and none are refused", () => {
  expect(headerProblem("HTTP/1.1 404 Not Found\r\nContent-Length: 5", 5)).toContain("404 Not Found")
  expect(headerProblem("HTTP/1.1 200 OK\r\nContent-Length: 6", 5)).toBe("has 6 bytes instead of 5")
  expect(headerProblem("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", 5)).toContain("without a length")
  expect(headerProblem("HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 5", 5)).toBeUndefined()
})
