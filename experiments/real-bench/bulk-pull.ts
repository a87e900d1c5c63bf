// A pull of a large blob by a client that costs as little as it can, so that it does not limit what serves: a socket
// that reads into one buffer, one request, and a response with its length. node:http takes four times the processor
// time. It compares every byte. Other forms of a response (chunked, redirected) are refused.

import { connect } from "node:net"
import { makeBulkCheck } from "./bulk-content.ts"
import type { Bulk } from "./client-jobs.ts"

const readLength = 2 ** 18
const mostHeaderBytes = 2 ** 16
const endOfHeader = "\r\n\r\n"

/** Why a response cannot be the blob; undefined when it can. */
export const headerProblem = (header: string, length: number): string | undefined => {
  const [status = ""] = header.split("\r\n", 1)
  if (!/^HTTP\/1\.1 200\b/.test(status)) return `is answered with ${status || "nothing"}`
  const told = /^content-length: *(\d+) *$/im.exec(header)?.[1]
  if (told === undefined) return "has a response without a length"
  return Number(told) === length ? undefined : `has ${told} bytes instead of ${length}`
}

/** Reads the blob whole over a connection of its own. Fails when a byte is wrong, and when nothing comes for long. */
export const pullBulk = (
  blobUrl: string,
  { seed, length }: Bulk,
  patienceMilliseconds: number
): Promise<void> =>
  new Promise((resolve, reject) => {
    const { host, hostname, port, pathname } = new URL(blobUrl)
    const check = makeBulkCheck(seed)
    let header = ""
    let isBody = length === 0
    const fail = (problem: string) => {
      socket.destroy()
      reject(new Error(`GET ${blobUrl} ${problem}`))
    }
    /** Takes bytes of the response. Gives those that belong to the body. */
    const afterHeader = (bytes: Buffer): Buffer | undefined => {
      // One character for each byte.
      const before = header.length
      header += bytes.toString("latin1")
      const end = header.indexOf(endOfHeader)
      if (end === -1) {
        if (header.length > mostHeaderBytes) fail("has a response whose header does not end")
        return undefined
      }
      const problem = headerProblem(header.slice(0, end), length)
      if (problem !== undefined) {
        fail(problem)
        return undefined
      }
      isBody = true
      return bytes.subarray(end + endOfHeader.length - before)
    }
    const socket = connect({
      host: hostname,
      port: Number(port),
      onread: {
        buffer: Buffer.alloc(readLength),
        callback: (count, buffer) => {
          const bytes = (buffer as Buffer).subarray(0, count)
          const body = isBody ? bytes : afterHeader(bytes)
          if (body === undefined) return true
          if (!check.next(body)) fail("has bytes that are not those that were pushed")
          else if (check.received() === length) {
            socket.destroy()
            resolve()
          }
          return true
        }
      }
    })
    socket.setTimeout(patienceMilliseconds, () => fail("gets no answer"))
    socket.once("error", (error) => fail(`fails: ${error.message}`))
    // After the last byte this settles nothing.
    socket.once("close", () => fail(`breaks off after ${check.received()} of ${length} bytes`))
    socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  })
