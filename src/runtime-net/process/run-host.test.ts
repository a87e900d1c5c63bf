// A host program becomes a host: it is served on its real port, a taken port or an unwritable folder is one clear line,
// large bodies pass both ways, and a client that hangs up ends the work done for it.

import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import http from "node:http"
import net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope, Stream } from "effect"
import { HttpClient, HttpServerRequest, HttpServerResponse } from "effect/http"
import { describe, expect } from "vitest"
import { sumOf } from "../../../testing/roles/metrics.ts"
import { invariant } from "../../protocol/kit/invariant.ts"
import type { HostProgram, StartedRole } from "../../roles/host-program.ts"
import { type HttpApp, madeWhenAsked, makeHttpApp } from "../../roles/http/http-app.ts"
import { HostStorage } from "../../roles/services/host-storage.ts"
import { makeRoleMetrics } from "../../roles/services/metrics.ts"
import type { ServedListener } from "../http/http-listener.ts"
import { type RunningHost, runHost } from "./run-host.ts"

const MiB = 1024 * 1024

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "shoal-host-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

const serving = (app: HttpApp, port = 0): HostProgram<StartedRole> =>
  Effect.succeed({ listeners: [{ name: "registry", listen: { host: "127.0.0.1", port }, app }] })

const listenerOf = ({ listeners: [listener] }: RunningHost<StartedRole>): ServedListener => {
  invariant(listener !== undefined, "the host serves a listener")
  return listener
}

const hello: HttpApp = Effect.succeed(HttpServerResponse.text("hello"))

const get = (url: string) =>
  Effect.promise(
    () =>
      new Promise<{ status: number; body: Buffer }>((resolve, reject) => {
        const request = http.get(url, (response) => {
          const chunks: Array<Buffer> = []
          response.on("data", (chunk: Buffer) => chunks.push(chunk))
          response.on("end", () => resolve({ status: response.statusCode!, body: Buffer.concat(chunks) }))
          response.on("error", reject)
        })
        request.on("error", reject)
      })
  )

const takesConnections = (port: number): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const socket = net.connect(port, "127.0.0.1")
    const answer = (taken: boolean) => (): void => {
      socket.destroy()
      resume(Effect.succeed(taken))
    }
    socket.once("connect", answer(true)).once("error", answer(false))
  })

describe("a hosted program", () => {
  it.live("is served on the port that port 0 became, and not any more when its scope is closed", () =>
    Effect.gen(function* () {
      const url = yield* Effect.scoped(
        Effect.gen(function* () {
          const host = yield* runHost(serving(hello))
          const { url, port } = listenerOf(host)
          expect(port).toBeGreaterThan(0)
          expect((yield* get(url)).body.toString()).toBe("hello")
          return url
        })
      )
      const refused = yield* Effect.promise(() =>
        fetch(url).then(
          () => false,
          () => true
        )
      )
      expect(refused).toBe(true)
    })
  )

  it.live("stops its first listener before those that it asks while it answers its last request", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      let second = ""
      const program: HostProgram<StartedRole> = Effect.map(HttpClient.HttpClient, (client) => {
        const asking: HttpApp = Effect.gen(function* () {
          yield* Deferred.succeed(begun, undefined)
          yield* Deferred.await(gate)
          return HttpServerResponse.text(yield* Effect.flatMap(client.get(second), ({ text }) => text))
        }).pipe(Effect.catch((error) => Effect.succeed(HttpServerResponse.text(error.message))))
        const listen = { host: "127.0.0.1", port: 0 }
        return {
          listeners: [
            { name: "first", listen, app: asking },
            { name: "second", listen, app: hello }
          ]
        }
      })
      const scope = yield* Scope.make()
      const { listeners } = yield* Scope.provide(runHost(program), scope)
      expect(listeners.map(({ name }) => name)).toEqual(["first", "second"])
      second = listeners[1]!.url
      const answer = yield* Effect.forkChild(get(listeners[0]!.url), { startImmediately: true })
      yield* Deferred.await(begun)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      while (yield* takesConnections(listeners[0]!.port)) yield* Effect.yieldNow
      yield* Deferred.succeed(gate, undefined)
      expect((yield* Fiber.join(answer)).body.toString()).toBe("hello")
      yield* Fiber.join(closing)
    })
  )

  it.live("fails by one clear line when a port is taken, and leaves nothing listening", () =>
    Effect.gen(function* () {
      const first = yield* runHost(serving(hello))
      const taken = listenerOf(first).port
      let stopped = false
      const program: HostProgram<StartedRole> = Effect.gen(function* () {
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            stopped = true
          })
        )
        return yield* serving(hello, taken)
      })
      const error = yield* Effect.flip(Effect.scoped(runHost(program)))
      expect(error._tag).toBe("ListenError")
      expect(error.message).toBe(
        `cannot listen for registry on 127.0.0.1:${taken}: the port is taken: stop what listens there or choose another port`
      )
      expect(stopped).toBe(true)
    })
  )

  it.live("fails by one clear line when its folder cannot be written", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      writeFileSync(join(root, "file"), "")
      const openIn = (folder: string): HostProgram<StartedRole> =>
        Effect.gen(function* () {
          const storage = yield* HostStorage
          yield* storage.blobs(folder)
          return { listeners: [] }
        })
      const error = yield* Effect.flip(Effect.scoped(runHost(openIn(join(root, "file", "data")))))
      expect(error._tag).toBe("BlobStoreError")
      expect(error.message).toContain(join(root, "file", "data"))
      expect(error.message).toContain("choose another folder")
      const tables = Effect.flatMap(HostStorage, (storage) =>
        Effect.as(storage.tables(join(root, "file", "data")), { listeners: [] })
      )
      expect((yield* Effect.flip(Effect.scoped(runHost(tables)))).message).toContain(
        join(root, "file", "data")
      )
    })
  )

  it.live("shows in its metrics what the process uses", () =>
    Effect.gen(function* () {
      const program = Effect.gen(function* () {
        const metrics = makeRoleMetrics("agent")
        const app = yield* madeWhenAsked(makeHttpApp([], { metrics, notReady: Effect.succeed([]) }))
        return yield* serving(app)
      })
      const { url } = listenerOf(yield* runHost(program))
      const text = (yield* get(`${url}/metrics`)).body.toString()
      expect(sumOf(text, "shoal_process_cpu_seconds_total")).toBeGreaterThan(0)
      expect(sumOf(text, "shoal_process_resident_bytes")).toBeGreaterThan(1_000_000)
    })
  )

  it.live("passes bodies of any size both ways", () =>
    Effect.gen(function* () {
      const chunk = new Uint8Array(MiB).fill(7)
      const app: HttpApp = Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        if (request.method === "GET") {
          return HttpServerResponse.stream(Stream.fromIterable(Array.from({ length: 40 }, () => chunk)), {
            contentLength: 40 * MiB
          })
        }
        const received = yield* Stream.runFold(
          request.stream,
          () => 0,
          (sum, bytes) => sum + bytes.length
        )
        return HttpServerResponse.text(String(received))
      }).pipe(Effect.orDie)
      const program = Effect.gen(function* () {
        const client = yield* HttpClient.HttpClient
        return { ...(yield* serving(app)), client }
      })
      const host = yield* runHost(program)
      const { url } = listenerOf(host)
      expect((yield* get(url)).body.length).toBe(40 * MiB)
      const downloaded = yield* host.role.client.get(url)
      const length = yield* Stream.runFold(
        downloaded.stream,
        () => 0,
        (sum, bytes) => sum + bytes.length
      )
      expect(length).toBe(40 * MiB)
      const uploaded = yield* Effect.promise(() =>
        fetch(url, { method: "PUT", body: new Uint8Array(40 * MiB) }).then((response) => response.text())
      )
      expect(uploaded).toBe(String(40 * MiB))
    })
  )

  it.live("a client that hangs up interrupts its response's stream", () =>
    Effect.gen(function* () {
      const ended = yield* Deferred.make<string>()
      const app: HttpApp = Effect.succeed(
        HttpServerResponse.stream(
          Stream.fromEffectRepeat(Effect.as(Effect.sleep(1), new Uint8Array(1000))).pipe(
            Stream.onExit((exit) => Deferred.succeed(ended, exit._tag))
          )
        )
      )
      const host = yield* runHost(serving(app))
      const request = http.get(listenerOf(host).url, (response) => {
        response.once("data", () => request.destroy())
        response.on("error", () => {})
      })
      request.on("error", () => {})
      expect(yield* Deferred.await(ended)).toBe("Failure")
    })
  )

  it.live("lets a running request end when it stops, and keeps no idle connection waiting", () =>
    Effect.gen(function* () {
      const entered = yield* Deferred.make<void>()
      const finish = yield* Deferred.make<void>()
      const app: HttpApp = Effect.gen(function* () {
        yield* Deferred.succeed(entered, undefined)
        yield* Deferred.await(finish)
        return HttpServerResponse.text("done")
      })
      const agent = new http.Agent({ keepAlive: true })
      /** Connections that the end of the drain would have had to cut. */
      const left: Array<number> = []
      const answered = yield* Effect.scoped(
        Effect.gen(function* () {
          const { server, url } = listenerOf(yield* runHost(serving(app)))
          const cutWhatIsLeft = server.closeAllConnections.bind(server)
          server.closeAllConnections = () => {
            server.getConnections((_, count) => left.push(count))
            cutWhatIsLeft()
          }
          const answered = new Promise<string>((resolve, reject) => {
            http
              .get(url, { agent }, (response) => {
                response.setEncoding("utf8").on("data", resolve)
              })
              .on("error", reject)
          })
          yield* Deferred.await(entered)
          // The scope closes now; the request ends a little later.
          setImmediate(() => Effect.runFork(Deferred.succeed(finish, undefined)))
          return answered
        })
      )
      expect(yield* Effect.promise(() => answered)).toBe("done")
      expect(left).toEqual([0])
      agent.destroy()
    })
  )

  it.live("cuts a connection whose body stands still, not one whose answer is being worked on", () =>
    Effect.gen(function* () {
      const finish = yield* Deferred.make<void>()
      const app: HttpApp = Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        if (request.method === "PUT") yield* Stream.runDrain(request.stream)
        else yield* Deferred.await(finish)
        return HttpServerResponse.text("done")
      }).pipe(Effect.orDie)
      const host = yield* runHost(serving(app))
      const { server, port } = listenerOf(host)
      const open = (head: string) =>
        Effect.callback<readonly [net.Socket, net.Socket, Promise<string>]>((resume) => {
          const client = net.connect(port, "127.0.0.1")
          const received = new Promise<string>((resolve) => {
            let text = ""
            client.setEncoding("utf8").on("data", (chunk) => {
              text += chunk
              if (text.endsWith("done")) resolve(text)
            })
            client.on("close", () => resolve(text))
          })
          server.once("connection", (socket) =>
            // Later: the request counts as complete once its event is over.
            server.once("request", () =>
              setImmediate(() => resume(Effect.succeed([client, socket, received])))
            )
          )
          client.write(
            `${head} HTTP/1.1\r\nhost: x\r\ncontent-length: ${head.startsWith("PUT") ? 10 : 0}\r\n\r\n`
          )
        })
      const [, stalled, cut] = yield* open("PUT /")
      const [client, working, answer] = yield* open("POST /")
      // What the server's own clock would do after httpSilence.
      server.emit("timeout", stalled)
      server.emit("timeout", working)
      expect(yield* Effect.promise(() => cut)).toBe("")
      yield* Deferred.succeed(finish, undefined)
      expect(yield* Effect.promise(() => answer)).toContain("200 OK")
      client.destroy()
    })
  )

  it.live("does not open a folder that another process holds", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      const holder = spawn(process.execPath, [
        "-e",
        `const { DatabaseSync } = require("node:sqlite")
         new DatabaseSync(process.argv[1]).exec("BEGIN EXCLUSIVE")
         console.log("held")
         setInterval(() => {}, 1000)`,
        join(root, "lock")
      ])
      yield* Effect.addFinalizer(() => Effect.sync(() => holder.kill("SIGKILL")))
      yield* Effect.promise(() => new Promise((resolve) => holder.stdout.once("data", resolve)))
      const open = Effect.scoped(
        runHost(Effect.flatMap(HostStorage, (storage) => Effect.as(storage.blobs(root), { listeners: [] })))
      )
      const error = yield* Effect.flip(open)
      expect(error.message).toBe(
        `cannot open ${root}: another process uses it; stop that one or choose another folder`
      )
      const ended = new Promise((resolve) => holder.once("exit", resolve))
      holder.kill("SIGKILL")
      yield* Effect.promise(() => ended)
      yield* open
    })
  )

  it.live("an identity is made once and kept", () =>
    Effect.gen(function* () {
      const root = yield* temporaryFolder
      const program = Effect.gen(function* () {
        const storage = yield* HostStorage
        const seeds = yield* Effect.all(
          [storage.identity("a"), storage.identity("a"), storage.identity("b")],
          {
            concurrency: "unbounded"
          }
        )
        return { listeners: [], seeds }
      })
      const run = Effect.scoped(
        Effect.map(runHost(program, { storage: { root } }), (host) => host.role.seeds)
      )
      const seeds = yield* run
      expect(seeds[0]).toMatch(/^[0-9a-f]{64}$/)
      expect(seeds[1]).toBe(seeds[0])
      expect(seeds[2]).not.toBe(seeds[0])
      expect(yield* run).toEqual(seeds)
    })
  )
})
