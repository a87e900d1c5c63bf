// What a listener does not serve: shapes of requests that two readers could take for different ones, clients that keep
// it waiting. Everything over sockets, byte by byte.

import type { Server } from "node:http"
import { it } from "@effect/vitest"
import { Deferred, Effect, Stream } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { describe, expect } from "vitest"
import { rawConnection, rawExchange } from "../../../testing/runtime-net/raw-connection.ts"
import { milliseconds, seconds } from "../../protocol/kit/time.ts"
import type { HttpListener } from "../../roles/host-program.ts"
import type { HttpApp } from "../../roles/http/http-app.ts"
import { serveListener } from "./http-listener.ts"

/** Says what it was asked, and how many bytes came with it; remembers it too. */
const echo = (seen: Array<string>): HttpApp =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    seen.push(`${request.method} ${request.url}`)
    const length = yield* Stream.runFold(
      request.stream,
      () => 0,
      (sum, bytes) => sum + bytes.length
    )
    return HttpServerResponse.text(`${request.method} ${request.url} ${length}`)
  }).pipe(Effect.orDie)

const serve = (app: HttpApp, patience?: HttpListener["patience"]) =>
  serveListener({
    name: "test",
    listen: { host: "127.0.0.1", port: 0 },
    app,
    ...(patience === undefined ? {} : { patience })
  })

const connectionsOf = (server: Server): Effect.Effect<number> =>
  Effect.callback((resume) => void server.getConnections((_, count) => resume(Effect.succeed(count))))

const post = (lines: ReadonlyArray<string>, body = "", version = "1.1") =>
  `${[`POST /target HTTP/${version}`, ...lines].join("\r\n")}\r\n\r\n${body}`
const chunked = (body: string) => post(["Host: x", "Transfer-Encoding: chunked"], body)
const get = (target: string, lines: ReadonlyArray<string> = ["Host: x"]) =>
  `${[`GET ${target} HTTP/1.1`, ...lines].join("\r\n")}\r\n\r\n`

/** What follows a smuggling shape: it must never reach the app. */
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

const shapes: Record<string, string> = {
  "length and encoding": post(["Host: x", "Content-Length: 5", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
  "encoding and length": post(["Host: x", "Transfer-Encoding: chunked", "Content-Length: 5"], "0\r\n\r\n"),
  "two lengths": post(["Host: x", "Content-Length: 5", "Content-Length: 6"], "hello"),
  "two equal lengths": post(["Host: x", "Content-Length: 5", "Content-Length: 5"], "hello"),
  "a list of lengths": post(["Host: x", "Content-Length: 5, 5"], "hello"),
  "a signed length": post(["Host: x", "Content-Length: +5"], "hello"),
  "a negative length": post(["Host: x", "Content-Length: -5"], "hello"),
  "a hexadecimal length": post(["Host: x", "Content-Length: 0x5"], "hello"),
  "an empty length": post(["Host: x", "Content-Length: "], "hello"),
  "a length of 20 digits": post(["Host: x", "Content-Length: 99999999999999999999"], "hello"),
  "a length of 64 bits": post(["Host: x", "Content-Length: 18446744073709551615"], "hello"),
  "a length beyond the exact": post(["Host: x", "Content-Length: 9007199254740992"], "hello"),
  "gzip before chunked": post(["Host: x", "Transfer-Encoding: gzip, chunked"], "0\r\n\r\n"),
  "chunked before gzip": post(["Host: x", "Transfer-Encoding: chunked, gzip"], "0\r\n\r\n"),
  "chunked twice": post(["Host: x", "Transfer-Encoding: chunked, chunked"], "0\r\n\r\n"),
  "two encodings": post(["Host: x", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
  "two encodings, one unknown": post(
    ["Host: x", "Transfer-Encoding: x", "Transfer-Encoding: chunked"],
    "0\r\n\r\n"
  ),
  "the encoding identity": post(["Host: x", "Transfer-Encoding: identity"]),
  "an encoding that looks like it": post(["Host: x", "Transfer-Encoding: xchunked"], "0\r\n\r\n"),
  "an encoding in quotes": post(["Host: x", 'Transfer-Encoding: "chunked"'], "0\r\n\r\n"),
  "an encoding after a control character": post(["Host: x", "Transfer-Encoding: \x0bchunked"], "0\r\n\r\n"),
  "an encoding in HTTP/1.0": post(["Host: x", "Transfer-Encoding: chunked"], "0\r\n\r\n", "1.0"),
  "a blank before the colon": post(["Host: x", "Transfer-Encoding : chunked"], "0\r\n\r\n"),
  "a blank in a name": get("/target", ["Host: x", "X Y: z"]),
  "an empty name": get("/target", ["Host: x", ": z"]),
  "a chunk size that is no number": chunked("zz\r\nhello\r\n0\r\n\r\n"),
  "a chunk size of 72 bits": chunked("ffffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
  "a negative chunk size": chunked("-5\r\nhello\r\n0\r\n\r\n"),
  "a chunk size with 0x": chunked("0x5\r\nhello\r\n0\r\n\r\n"),
  "a blank after a chunk size": chunked("5 \r\nhello\r\n0\r\n\r\n"),
  "no chunk size": chunked("\r\nhello\r\n0\r\n\r\n"),
  "a chunk longer than its size": chunked("3\r\nhello\r\n0\r\n\r\n"),
  "chunks that end in bare LF": chunked("5\nhello\n0\n\n"),
  "a chunk size that ends in bare CR": chunked("5\rhello\r\n0\r\n\r\n"),
  "a length among the trailers": chunked("5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n"),
  "a folded header": get("/target", ["Host: x", "X-A: b", " c"]),
  "a folded header by tab": get("/target", ["Host: x", "X-A: b", "\tc"]),
  "a folded encoding": post(["Host: x", "Transfer-Encoding:", " chunked"], "0\r\n\r\n"),
  "a fold before the first header": get("/target", [" Host: x"]),
  "an absolute target": get("http://other/target"),
  "an absolute target, encrypted": get("https://other/target"),
  "a target that is a host": get("other:80"),
  "a target without a slash": get("target"),
  "a star": get("*"),
  "a fragment": get("/target#part"),
  "lines that end in bare LF": "GET /target HTTP/1.1\nHost: x\n\n",
  "one line that ends in bare LF": "GET /target HTTP/1.1\r\nHost: x\nX-B: c\r\n\r\n",
  "an end that is bare LF": "GET /target HTTP/1.1\r\nHost: x\r\n\n",
  "a bare CR": "GET /target HTTP/1.1\r\nHost: x\rX-B: c\r\n\r\n",
  "a NUL": get("/target", ["Host: x", "X-B: a\0b"]),
  "more headers than clients send": get("/target", ["Host: x", ...Array<string>(501).fill("a: b")]),
  "no host": get("/target", ["X-B: c"]),
  "two hosts": get("/target", ["Host: x", "Host: y"]),
  "a host that is none": get("/target", ["Host: x y/@"]),
  "HTTP/0.9": "GET /target\r\n\r\n",
  "HTTP/1.2": "GET /target HTTP/1.2\r\nHost: x\r\n\r\n",
  "HTTP/2's preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "an unknown method": "FROB /target HTTP/1.1\r\nHost: x\r\n\r\n",
  "a TLS handshake": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "bytes beyond ASCII in the target": get("/\xff\xfe"),
  "a tab in the target": get("/a\tb")
}

const otherStatuses: Record<string, readonly [status: number, request: string]> = {
  "a header of 80 kB": [431, get("/target", ["Host: x", `X-B: ${"a".repeat(80_000)}`])],
  "a target of 80 kB": [431, get(`/${"a".repeat(80_000)}`)],
  "80 kB of headers": [431, get("/target", ["Host: x", ...Array<string>(8000).fill("a: bcdefgh")])],
  "chunk extensions of 80 kB": [413, chunked(`5;${"a".repeat(80_000)}\r\nhello\r\n0\r\n\r\n`)],
  "a tunnel": [405, "CONNECT other:80 HTTP/1.1\r\nHost: other:80\r\n\r\n"],
  "an unknown expectation": [417, post(["Host: x", "Expect: 200-magic", "Content-Length: 0"])]
}

const expectRefusal = (answer: string, status: number): void => {
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
  expect(answer.toLowerCase()).toContain("connection: close")
  const body = answer.slice(answer.indexOf("{"), answer.lastIndexOf("}") + 1)
  const { errors } = JSON.parse(body) as { errors: ReadonlyArray<{ code: string; message: string }> }
  expect(errors).toHaveLength(1)
  expect(errors[0]?.code).toMatch(/^[A-Z_]+$/)
  // One answer, and nothing after it.
  expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1)
}

describe("refuses with 400, closes, and answers nothing that follows", () => {
  for (const [name, bytes] of Object.entries(shapes)) {
    it.live(name, () =>
      Effect.gen(function* () {
        const seen: Array<string> = []
        const { port } = yield* serve(echo(seen))
        expectRefusal(yield* rawExchange(port, bytes + smuggled), 400)
        expect(seen).not.toContain("GET /smuggled")
      })
    )
  }
  for (const [name, [status, bytes]] of Object.entries(otherStatuses)) {
    it.live(`${name}, with ${status}`, () =>
      Effect.gen(function* () {
        const seen: Array<string> = []
        const { port } = yield* serve(echo(seen))
        expectRefusal(yield* rawExchange(port, bytes + smuggled), status)
        expect(seen).not.toContain("GET /smuggled")
      })
    )
  }
})

describe("serves", () => {
  it.live("what is well formed, also by other words", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo([]))
      const requests: ReadonlyArray<readonly [request: string, answer: string]> = [
        [get("/a?b=c"), "GET /a?b=c 0"],
        [get("/a", ["Host: [::1]:16000"]), "GET /a 0"],
        [get("/a", ["Host: "]), "GET /a 0"],
        ["GET /a HTTP/1.0\r\n\r\n", "GET /a 0"],
        [post(["Host: x", "Content-Length: 5"], "hello"), "POST /target 5"],
        [
          post(["Host: x", "Transfer-Encoding: Chunked"], "5;x=y\r\nhello\r\n0\r\nX-T: z\r\n\r\n"),
          "POST /target 5"
        ],
        [post(["Host: x", "Expect: 100-continue", "Content-Length: 5"], "hello"), "POST /target 5"],
        // curl offers HTTP/2 like this and takes HTTP/1.1 for an answer; its body is read as usual.
        [
          post(
            ["Host: x", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "Content-Length: 5"],
            "hello"
          ),
          "POST /target 5"
        ],
        [get("/a", ["Host: x", "Connection: Upgrade", "Upgrade: websocket"]), "GET /a 0"]
      ]
      for (const [request, answer] of requests) {
        const connection = yield* rawConnection(port)
        connection.write(request)
        expect(yield* connection.until(answer)).toContain(answer)
      }
      const all = yield* rawConnection(port)
      all.write("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
      expect(yield* all.until("OPTIONS * 0")).toContain("HTTP/1.1 200")
    })
  )

  it.live("the request before a malformed one first", () =>
    Effect.gen(function* () {
      const entered = yield* Deferred.make<void>()
      const finish = yield* Deferred.make<void>()
      const { port } = yield* serve(
        Effect.gen(function* () {
          yield* Deferred.succeed(entered, undefined)
          yield* Deferred.await(finish)
          return HttpServerResponse.text("first")
        })
      )
      const connection = yield* rawConnection(port)
      connection.write(get("/first"))
      yield* Deferred.await(entered)
      connection.write("GET /second HTTP/1.1\nHost: x\n\n")
      // The malformed bytes are there before the first is answered: another connection's exchange says so.
      const other = yield* rawConnection(port)
      other.write("nonsense\r\n\r\n")
      yield* other.closed
      yield* Deferred.succeed(finish, undefined)
      const answers = yield* connection.closed
      expect(answers).toMatch(/^HTTP\/1\.1 200 [\s\S]*firstHTTP\/1\.1 400 /)
    })
  )
})

describe("when a body breaks", () => {
  it.live("an answer that has begun is cut, and no other one is put behind it", () =>
    Effect.gen(function* () {
      const app: HttpApp = Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        return HttpServerResponse.stream(
          Stream.concat(Stream.succeed(new TextEncoder().encode("begun")), request.stream)
        )
      })
      const { port } = yield* serve(app)
      const connection = yield* rawConnection(port)
      connection.write(chunked("5\r\nhello\r\n"))
      yield* connection.until("hello")
      connection.write("nonsense\r\n")
      const answer = yield* connection.closed
      expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1)
      expect(answer).not.toContain("malformed")
    })
  )
})

describe("sheds", () => {
  // Headers are given long where bodies are tried, and bodies long enough that a busy machine is not taken for slow.
  const quick = { headers: seconds(30), body: seconds(1) }

  it.live("clients whose headers come too slowly, and those that send nothing", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { port } = yield* serve(echo(seen), { headers: milliseconds(100), body: seconds(30) })
      const silent = yield* rawConnection(port)
      const slow = yield* rawConnection(port)
      slow.write("GET /slow HTTP/1.1\r\nHost: x\r\n")
      const dripping = setInterval(() => slow.write("X-A: b\r\n"), 10)
      expectRefusal(yield* slow.closed, 408)
      clearInterval(dripping)
      expectRefusal(yield* silent.closed, 408)
      expect(seen).toEqual([])
    })
  )

  it.live("senders that stop within a body, and those that drip, but not whom a handler does not read", () =>
    Effect.gen(function* () {
      const finish = yield* Deferred.make<void>()
      const allCut = yield* Deferred.make<void>()
      let cut = 0
      const app: HttpApp = Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        if (request.url === "/paced") yield* Deferred.await(finish)
        yield* Stream.runDrain(request.stream)
        return HttpServerResponse.text("done")
      }).pipe(
        Effect.orDie,
        Effect.onError(() =>
          Effect.suspend(() => (++cut === 3 ? Deferred.succeed(allCut, undefined) : Effect.void))
        )
      )
      const { port } = yield* serve(app, quick)
      yield* Effect.addFinalizer(() => Deferred.succeed(finish, undefined))
      const put = (target: string, more = "") =>
        `PUT ${target} HTTP/1.1\r\nHost: x\r\n${more}Content-Length: 1000000\r\n\r\n`
      const paced = yield* rawConnection(port)
      paced.write(put("/paced"))
      paced.write(new Uint8Array(1_000_000))
      const stopped = yield* rawConnection(port)
      stopped.write(`${put("/stopped")}some`)
      const invited = yield* rawConnection(port)
      invited.write(put("/invited", "Expect: 100-continue\r\n"))
      const dripping = yield* rawConnection(port)
      dripping.write(put("/dripping"))
      const drip = setInterval(() => [dripping, invited].forEach(({ write }) => void write("x")), 5)
      expect(yield* stopped.closed).toBe("")
      expect(yield* dripping.closed).toBe("")
      expect(yield* invited.closed).toBe("HTTP/1.1 100 Continue\r\n\r\n")
      clearInterval(drip)
      yield* Deferred.await(allCut)
      yield* Deferred.succeed(finish, undefined)
      expect(yield* paced.until("done")).toContain("200 OK")
    })
  )

  it.live("readers that stop, and those that crawl; the work done for them ends", () =>
    Effect.gen(function* () {
      const ended = yield* Deferred.make<void>()
      let open = 2
      const app: HttpApp = Effect.succeed(
        HttpServerResponse.stream(
          Stream.forever(Stream.succeed(new Uint8Array(65_536))).pipe(
            Stream.ensuring(
              Effect.suspend(() => (--open === 0 ? Deferred.succeed(ended, undefined) : Effect.void))
            )
          )
        )
      )
      const { port, server } = yield* serve(app, quick)
      const stopped = yield* rawConnection(port)
      const crawling = yield* rawConnection(port)
      for (const { socket } of [stopped, crawling]) {
        socket.pause()
        socket.write(get("/endless"))
      }
      // Reads a little now and then; its own buffers would hold more than the server may wait for.
      const crawl = setInterval(() => crawling.socket.read(100), 5)
      yield* Deferred.await(ended)
      clearInterval(crawl)
      expect(yield* connectionsOf(server)).toBe(0)
    })
  )

  it.live("whoever keeps a connection on which it was refused", () =>
    Effect.gen(function* () {
      const { port, server } = yield* serve(echo([]))
      const { socket, until, write } = yield* rawConnection(port)
      socket.removeAllListeners("end")
      write("nonsense\r\n\r\n")
      yield* until("malformed")
      while ((yield* connectionsOf(server)) > 0) yield* Effect.sleep(20)
    })
  )

  it.live("half-closed connections once they are answered", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo([]))
      const connection = yield* rawConnection(port)
      connection.write(get("/a"))
      connection.socket.end()
      expect(yield* connection.closed).toContain("GET /a 0")
    })
  )
})

describe("ends no client's exchange", () => {
  it.live("that is slow because the handler is", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(Effect.as(Effect.sleep(500), HttpServerResponse.text("late")), {
        headers: seconds(5),
        body: milliseconds(100)
      })
      const connection = yield* rawConnection(port)
      connection.write(get("/late"))
      expect(yield* connection.until("late")).toContain("200 OK")
    })
  )
})
