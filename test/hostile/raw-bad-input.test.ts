// The same hostile requests over sockets and folders: a shipped herd and agent get a bounded number of them byte by
// byte, answer as they do in memory, and have no orphaned file and no larger heap afterwards.

import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { assert, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import fc from "fast-check"
import { herdConfig } from "../../src/roles/herd/config.ts"
import { herd } from "../../src/roles/herd/herd.ts"
import { runHost } from "../../src/runtime-net/process/run-host.ts"
import { rawConnection } from "../../testing/runtime-net/raw-connection.ts"
import { freePortBase } from "../support/free-ports.ts"
import { pushImage } from "../support/registry-client.ts"
import { answerProblem } from "./hostile-cluster.ts"
import { type HostileRequest, hostileRequest, type ListenerKind } from "./hostile-requests.ts"
import { targetOf } from "./hostile-text.ts"

const rounds = Number(process.env.SHOAL_FUZZ_RUNS ?? 250)
const MiB = 1024 * 1024

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "shoal-hostile-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** Paths of files below the folder. */
const filesUnder = (folder: string, wanted: (path: string) => boolean): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter(wanted)
    .sort()

const fixedFiles = (path: string): boolean =>
  !/^herd\/(?:proxy|origin)\/(?:uploads|blobs|metainfo|swarms)\//.test(path)

/** Bytes of heap in use after a full garbage collection. */
const heapInUse = (): number => {
  setFlagsFromString("--expose-gc")
  const collect = runInNewContext("gc") as () => void
  collect()
  return process.memoryUsage().heapUsed
}

/** Waits until both return the same number, for work that ends after its client has gone. */
const untilEqual = (one: Effect.Effect<number>, other: Effect.Effect<number>): Effect.Effect<void> =>
  Effect.gen(function* () {
    while ((yield* one) !== (yield* other)) yield* Effect.sleep(50)
  })

/** The request as bytes, written by hand. */
const bytesOf = (request: HostileRequest, target: string): Buffer => {
  const { body } = request
  const lines = [`${request.method} ${target} HTTP/1.1`, "Host: registry", "Connection: close"]
  for (const [name, value] of Object.entries(request.headers)) lines.push(`${name}: ${value}`)
  const chunks: Array<Uint8Array> = []
  if (body.kind === "bytes") {
    lines.push(`Content-Length: ${body.bytes.byteLength}`)
    chunks.push(body.bytes)
  } else if (body.kind === "stream") {
    lines.push("Transfer-Encoding: chunked")
    for (const piece of body.pieces.filter(({ byteLength }) => byteLength > 0)) {
      chunks.push(Buffer.from(`${piece.byteLength.toString(16)}\r\n`), piece, Buffer.from("\r\n"))
    }
    // A body that breaks also breaks its connection.
    if (!body.breaks) chunks.push(Buffer.from("0\r\n\r\n"))
  }
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), ...chunks])
}

/** The last answer of a connection, behind any "100 Continue". */
const parseAnswer = (received: string) => {
  const answer = received.replace(/^(?:HTTP\/1\.1 100 [^\r]*\r\n\r\n)+/, "")
  const end = answer.indexOf("\r\n\r\n")
  const [status = "", ...lines] = answer.slice(0, end).split("\r\n")
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":")
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    })
  )
  let body = answer.slice(end + 4)
  if (headers["transfer-encoding"] === "chunked") {
    let whole = ""
    for (let size = Number.parseInt(body, 16); size > 0; size = Number.parseInt(body, 16)) {
      const from = body.indexOf("\r\n") + 2
      whole += body.slice(from, from + size)
      body = body.slice(from + size + 2)
    }
    body = whole
  }
  return { status: Number(status.split(" ")[1]), headers, body: Buffer.from(body, "latin1") }
}

const send = (port: number, request: HostileRequest, target: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const connection = yield* rawConnection(port)
      connection.write(bytesOf(request, target))
      if (request.body.kind === "stream" && request.body.breaks) {
        connection.socket.end()
        yield* connection.closed
        return undefined
      }
      const received = yield* connection.closed
      const { status, headers, body } = parseAnswer(received)
      const problem = answerProblem(status, headers, body, request.method === "HEAD")
      return problem === undefined ? undefined : `${request.method} ${target.slice(0, 200)}: ${problem}`
    })
  )

it.live(
  "bad requests over sockets are answered, and leave nothing behind",
  () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const base = yield* Effect.promise(() => freePortBase(0))
      const listen = (offset: number) => ({ host: "127.0.0.1", port: base + offset })
      const unhandled: Array<unknown> = []
      const onUnhandled = (reason: unknown) => void unhandled.push(reason)
      process.on("unhandledRejection", onUnhandled)
      yield* Effect.addFinalizer(() => Effect.sync(() => process.off("unhandledRejection", onUnhandled)))
      const { listeners } = yield* runHost(
        herd(
          herdConfig({
            data: "herd",
            proxy: listen(0),
            peer: listen(1),
            origin: listen(2),
            tracker: listen(3),
            buildIndex: listen(4)
          })
        ),
        { storage: { root: folder } }
      )
      const image = yield* Effect.promise(() =>
        pushImage(`127.0.0.1:${base}`, "demo/app", "1", [new Uint8Array(5000)])
      )
      const named = {
        repositories: ["demo/app", "demo%2Fapp", "demo/other"],
        internal: ["internal%2Fapp"],
        tags: ["1", "new"],
        digests: [image.manifestDigest, ...image.layers],
        uploads: ["none"]
      }
      const kinds = listeners.map(
        ({ name }): ListenerKind =>
          name === "origin" || name === "tracker" || name === "build-index" ? name : "registry"
      )
      const cases = hostileRequest(kinds, named.digests, [new Uint8Array(5000)])
      const play = (count: number, seed: number) =>
        Effect.gen(function* () {
          const requests = fc.sample(cases, { numRuns: count, seed })
          const problems = yield* Effect.forEach(
            requests,
            (request) => send(listeners[request.listener]!.port, request, targetOf(request.target, named)),
            { concurrency: 8 }
          )
          assert.deepStrictEqual(
            problems.filter((problem) => problem !== undefined),
            [],
            `seed ${seed}`
          )
        })
      const openUploads = Effect.promise(async () => {
        const text = await (await fetch(`http://127.0.0.1:${base}/metrics`)).text()
        return Number(/^shoal_uploads_open\{[^}]*\} (\d+)/m.exec(text)![1])
      })
      // Memory that may grow at first (caches, series, compiled code) has grown after a first part.
      yield* play(rounds, 1)
      const before = { heap: heapInUse(), fixed: filesUnder(folder, fixedFiles) }
      const seed = Date.now() % 1_000_000
      yield* play(rounds, seed)
      const after = { heap: heapInUse(), fixed: filesUnder(folder, fixedFiles) }
      // Every upload is open, pushed content has its three files at the origin, and nothing else is there.
      const count = (part: string) => filesUnder(folder, (path) => path.startsWith(part)).length
      yield* untilEqual(
        Effect.sync(() => count("herd/origin/uploads/")),
        openUploads
      )
      assert.strictEqual(count("herd/origin/metainfo/"), count("herd/origin/blobs/"))
      assert.strictEqual(count("herd/origin/swarms/"), count("herd/origin/blobs/"))
      assert.deepStrictEqual(after.fixed, before.fixed)
      assert.isBelow(after.heap - before.heap, 24 * MiB, `seed ${seed}`)
      assert.deepStrictEqual(unhandled, [])
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([]))),
  120_000
)
