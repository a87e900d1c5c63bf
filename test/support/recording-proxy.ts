// Records what a client really sends: a reverse proxy on loopback that forwards everything unchanged, including the
// Host header, and records each request. It does not interpret anything.
//
// Invariants: bodies pass as they come, and only their length is recorded; when one side hangs up, the other one is
// closed too; nothing is changed except the one answer that the test wants to break.

import { createServer, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http"
import type { AddressInfo } from "node:net"

export interface Recorded {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  /** Bytes of its body. */
  sent: number
  /** 0 until there is an answer. */
  status: number
  answered: IncomingHttpHeaders
  /** Bytes of the answer's body. */
  received: number
}

export interface RecordingProxy {
  /** "127.0.0.1:PORT" */
  readonly address: string
  /** Sends later requests to another registry. */
  readonly forwardTo: (address: string) => void
  /** Breaks the next answer to a GET of `path`, once, after `bytes` of its body. */
  readonly cutOnce: (path: string, bytes: number) => void
  /** The requests since the last call, in order of arrival. */
  readonly take: () => ReadonlyArray<Recorded>
  readonly close: () => Promise<void>
}

const counted = (stream: IncomingMessage, count: (bytes: number) => void): IncomingMessage =>
  stream.on("data", (chunk: Buffer) => count(chunk.length))

/** Starts a proxy in front of the registry at "host:port". Without it, `forwardTo` must be called first. */
export const startRecordingProxy = async (registry = "127.0.0.1:1"): Promise<RecordingProxy> => {
  let upstream = registry
  let seen: Array<Recorded> = []
  let cut: { readonly path: string; readonly bytes: number } | undefined
  const server = createServer((incoming, outgoing) => {
    const url = new URL(incoming.url ?? "/", "http://registry")
    const record: Recorded = {
      method: incoming.method!,
      path: url.pathname,
      query: url.searchParams,
      headers: incoming.headers,
      sent: 0,
      status: 0,
      answered: {},
      received: 0
    }
    seen.push(record)
    const [host, port] = upstream.split(":")
    const onward = request(
      { host, port, method: incoming.method, path: incoming.url, headers: incoming.headers, agent: false },
      (response) => {
        record.status = response.statusCode!
        record.answered = response.headers
        outgoing.writeHead(record.status, response.rawHeaders)
        const last = cut?.path === record.path && record.method === "GET" ? cut.bytes : undefined
        if (last !== undefined) cut = undefined
        counted(response, (bytes) => {
          record.received += bytes
          if (last !== undefined && record.received >= last) {
            response.unpipe(outgoing)
            // Written bytes go out before the connection ends.
            outgoing.socket?.end()
          }
        }).pipe(outgoing)
        response.once("error", () => outgoing.destroy())
      }
    )
    onward.once("error", () => outgoing.destroy())
    outgoing.once("close", () => onward.destroy())
    counted(incoming, (bytes) => {
      record.sent += bytes
    }).pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve))
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    forwardTo: (address) => {
      upstream = address
    },
    cutOnce: (path, bytes) => {
      cut = { path, bytes }
    },
    take: () => {
      const taken = seen
      seen = []
      return taken
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}
