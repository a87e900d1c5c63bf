// The life of hosts: how they start, stop, die and restart, what their disks keep, and what the end of one host means
// to fibers of others.

import { Deferred, Duration, Effect, Fiber, Option, Random, Stream } from "effect"
import { HttpClient, HttpServerResponse } from "effect/http"
import { describe, expect, it } from "vitest"
import type { Message } from "../../protocol/wire/message.ts"
import type { HashProof, Payload } from "../../protocol/wire/payload.ts"
import { unlimited } from "../../roles/config/process-keys.ts"
import { makeHttpApp } from "../../roles/http/http-app.ts"
import type { BlobStore, LoadOutcome } from "../../roles/services/blob-store.ts"
import { Digests } from "../../roles/services/digests.ts"
import { HostStorage } from "../../roles/services/host-storage.ts"
import { makeRoleMetrics } from "../../roles/services/metrics.ts"
import { type PeerEndpoint, PeerTransport } from "../../roles/services/peer-transport.ts"
import { Timers } from "../../roles/services/timers.ts"
import { SymbolicPayload } from "../disk/symbolic-blobs.ts"
import { makeSimulation, type Simulation } from "../simulation.ts"

interface Parts {
  readonly blobs: BlobStore
  readonly endpoint: PeerEndpoint
  readonly received: string[]
}

/** Stores, talks to peers, answers GET /, beats every 10 ms and reports when it ends. */
const host = (name: string, heard: string[] = []) =>
  Effect.gen(function* () {
    const storage = yield* HostStorage
    const blobs = yield* storage.blobs("data")
    const tables = yield* storage.tables("data")
    const transport = yield* PeerTransport
    const timers = yield* Timers
    const client = yield* HttpClient.HttpClient
    const received: string[] = []
    const endpoint = yield* transport.listen(
      { listen: { host: name, port: 7000 }, rates: unlimited },
      {
        connected: () => {},
        dialFailed: () => {},
        received: (_connection, message) => received.push(message.tag),
        protocolBroken: () => {},
        pieceSent: () => {},
        disconnected: (_connection, reason) => received.push(reason)
      }
    )
    const beat = (): void => {
      heard.push(`beat ${timers.now()}`)
      timers.wakeAt(timers.now() + 10_000, beat)
    }
    beat()
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        endpoint.send(1, { tag: "Bye", reason: "shutdown" })
        const wrote = yield* Effect.exit(
          tables.write([{ tag: "Put", table: "t", key: "ended", value: name }])
        )
        const asked = yield* Effect.exit(client.get("http://b/"))
        heard.push(`ended: table ${wrote._tag}, http ${asked._tag}`)
      })
    )
    const app = yield* makeHttpApp(
      [
        {
          method: "GET",
          path: "/",
          handler: Effect.as(Effect.sleep("1 second"), HttpServerResponse.text(name))
        }
      ],
      { metrics: makeRoleMetrics(name), notReady: Effect.succeed([]) }
    )
    const table = Effect.map(Effect.orDie(tables.get("t", "ended")), Option.getOrUndefined)
    return {
      listeners: [{ name: "http", listen: { host: name, port: 80 }, app }],
      parts: { blobs, endpoint, received } satisfies Parts,
      table
    }
  })

const play = <A, E>(script: (simulation: Simulation) => Effect.Effect<A, E>): A => {
  const simulation = makeSimulation({ seed: "host" })
  return simulation.run(script(simulation))
}

const pair = (simulation: Simulation, heard: string[]) =>
  Effect.gen(function* () {
    const a = yield* simulation.startHost("a", host("a", heard))
    const b = yield* simulation.startHost("b", host("b"))
    a.role.parts.endpoint.dial(1, "b:7000")
    yield* Effect.sleep("5 millis")
    return { a, b }
  })

describe("a host", () => {
  it("that stops sends its last messages, writes, and then is silent", () => {
    const heard: string[] = []
    const { received, table, beats } = play((simulation) =>
      Effect.gen(function* () {
        const { a, b } = yield* pair(simulation, heard)
        yield* a.stop
        const beats = heard.length
        yield* Effect.sleep("1 second")
        const again = yield* simulation.startHost("a", host("a"))
        return { received: b.role.parts.received, table: yield* again.role.table, beats }
      })
    )
    expect(received).toEqual(["Bye", "the listener closed"])
    expect(heard.at(-1)).toBe("ended: table Success, http Success")
    expect(heard.length).toBe(beats)
    expect(table).toBe("a")
  })

  it("that is killed sends and writes nothing more, although its finalizers run", () => {
    const heard: string[] = []
    const { received, table } = play((simulation) =>
      Effect.gen(function* () {
        const { a, b } = yield* pair(simulation, heard)
        yield* a.kill
        yield* Effect.sleep("2 seconds")
        const again = yield* simulation.startHost("a", host("a"))
        return { received: b.role.parts.received, table: yield* again.role.table }
      })
    )
    expect(received).toEqual(["a reset the connection"])
    expect(heard).toEqual(["beat 0", "ended: table Failure, http Failure"])
    expect(table).toBeUndefined()
  })

  it("that is killed twice or stopped after a kill does nothing", () => {
    const heard: string[] = []
    play((simulation) =>
      Effect.gen(function* () {
        const { a } = yield* pair(simulation, heard)
        yield* a.kill
        yield* a.kill
        yield* a.stop
        yield* Effect.sleep("1 second")
      })
    )
    expect(heard.filter((line) => line.startsWith("ended"))).toHaveLength(1)
  })

  it("that is killed fails the fibers that wait for it", () => {
    const messages = play((simulation) =>
      Effect.gen(function* () {
        const { a, b } = yield* pair(simulation, [])
        const client = simulation.httpClient("client")
        const waiting = yield* Effect.forkChild(Effect.flip(client.get("http://b/")))
        yield* Effect.sleep("100 millis")
        yield* b.kill
        const failure = yield* Effect.timeout(Fiber.join(waiting), "1 second")
        yield* a.stop
        return failure.message
      })
    )
    expect(messages).toMatch(/b reset the connection/)
  })

  it("whose program fails leaves nothing behind", () => {
    const simulation = makeSimulation({ seed: "fail" })
    const failing = Effect.gen(function* () {
      const transport = yield* PeerTransport
      yield* transport.listen({ listen: { host: "a", port: 7000 }, rates: unlimited }, deaf)
      return yield* Effect.fail({ _tag: "Broken", message: "no" })
    })
    const error = simulation.run(Effect.flip(simulation.startHost("a", failing)))
    expect(error).toEqual({ _tag: "Broken", message: "no" })
    expect(simulation.machine("a").host.listeners.size).toBe(0)
    simulation.run(simulation.startHost("a", host("a")))
  })

  it("names a port that is in use, for peers and for HTTP", () => {
    const taken = (port: number) =>
      Effect.gen(function* () {
        const transport = yield* PeerTransport
        yield* transport.listen({ listen: { host: "a", port: 7000 }, rates: unlimited }, deaf)
        if (port === 7000) yield* transport.listen({ listen: { host: "a", port }, rates: unlimited }, deaf)
        const app = Effect.succeed(HttpServerResponse.empty())
        return { listeners: [{ name: "registry", listen: { host: "a", port: 7000 }, app }] }
      })
    const fail = (port: number) =>
      play((simulation) => Effect.flip(simulation.startHost("a", taken(port)))).message
    expect(fail(7000)).toMatch(/peer listener a:7000: the port is taken/)
    expect(fail(80)).toMatch(/registry listener a:7000: the port is taken/)
  })

  it("may be interrupted while it starts", () => {
    const simulation = makeSimulation({ seed: "slow" })
    let interrupted = false
    const slow = Effect.onInterrupt(Effect.andThen(Effect.never, host("a")), () =>
      Effect.sync(() => {
        interrupted = true
      })
    )
    simulation.run(
      Effect.andThen(
        Effect.timeoutOption(simulation.startHost("a", slow), "1 second"),
        Effect.sleep("1 second")
      )
    )
    expect(interrupted).toBe(true)
  })

  it("draws other random numbers than its neighbour and than before its restart", () => {
    const draws = play((simulation) =>
      Effect.gen(function* () {
        const draw = Effect.gen(function* () {
          const storage = yield* HostStorage
          const blobs = yield* storage.blobs("data")
          const number = yield* Random.next
          return {
            listeners: [],
            number,
            upload: yield* blobs.createUpload,
            identity: yield* storage.identity("data")
          }
        })
        const first = yield* simulation.startHost("a", draw)
        yield* first.kill
        const second = yield* simulation.startHost("a", draw)
        const other = yield* simulation.startHost("b", draw)
        return [first, second, other].map(({ role }) => role)
      })
    )
    expect(new Set(draws.map(({ upload }) => upload)).size).toBe(3)
    expect(new Set(draws.map(({ number }) => number)).size).toBe(3)
    expect(draws[0]!.identity).toBe(draws[1]!.identity)
    expect(draws[0]!.identity).not.toBe(draws[2]!.identity)
  })
})

const deaf = {
  connected: () => {},
  dialFailed: () => {},
  received: (_connection: number, _message: Message) => {},
  protocolBroken: () => {},
  pieceSent: () => {},
  disconnected: () => {}
}

describe("a symbolic blob", () => {
  const spec = { name: "layer", length: 1_000_000_000_000 + 7, pieceLength: 16 * 1024 * 1024 }

  it("is a complete blob of any size without bytes, and is verified piece by piece", () => {
    const outcome = play((simulation) =>
      Effect.scoped(
        Effect.gen(function* () {
          const torrent = simulation.preloadSymbolicBlob("a", "data", spec)
          const a = (yield* simulation.startHost("a", host("a"))).role.parts.blobs
          const b = (yield* simulation.startHost("b", host("b"))).role.parts.blobs
          const source = yield* a.openPieces(torrent.metainfo)
          const sink = yield* b.openPieces(torrent.metainfo)
          const load = (piece: number) =>
            Effect.callback<LoadOutcome & { readonly tag: "Loaded" }>((resume) =>
              source.load(piece, (loaded) => loaded.tag === "Loaded" && resume(Effect.succeed(loaded)))
            )
          const store = (piece: number, payload: Payload, by: HashProof) =>
            Effect.callback<string>((resume) =>
              sink.store(piece, payload, by, (stored) => resume(Effect.succeed(stored.tag)))
            )
          const { payload, proof } = yield* load(3)
          const [two, other] = [yield* load(2), yield* load(4)]
          const lie = new SymbolicPayload((payload as SymbolicPayload).blob, 3, payload.byteLength, true)
          const start = yield* Stream.runHead(a.read(torrent.metainfo.digest, 0, 10))
          return {
            length: Option.map(yield* a.stat(torrent.metainfo.digest), (stat) => stat.length),
            outcomes: [
              yield* store(3, lie, proof),
              yield* store(4, payload, other.proof),
              yield* store(3, payload, other.proof),
              yield* store(3, payload, proof.subarray(0, proof.byteLength - 32)),
              yield* store(3, payload, proof),
              yield* store(2, two.payload, two.proof.subarray(0, 0))
            ],
            have: sink.have().count,
            bytes: Option.map(start, (chunk) => chunk.byteLength)
          }
        })
      )
    )
    expect(outcome).toEqual({
      length: Option.some(spec.length),
      outcomes: ["Corrupt", "Corrupt", "Corrupt", "Corrupt", "Stored", "Stored"],
      have: 2,
      bytes: Option.some(10)
    })
  })

  it("resumes after a kill without the newest unsynced pieces", () => {
    const counts = play((simulation) =>
      Effect.gen(function* () {
        const torrent = simulation.preloadSymbolicBlob("a", "data", {
          ...spec,
          length: 100 * spec.pieceLength
        })
        const blob = simulation.machine("a").disk.folder("data").blobs.get(torrent.metainfo.digest)!
        const store = (blobs: BlobStore, from: number, to: number, millis: number) =>
          Effect.scoped(
            Effect.flatMap(blobs.openPieces(torrent.metainfo), (file) =>
              Effect.sync(() => {
                for (let piece = from; piece < to; piece++) {
                  file.store(
                    piece,
                    blob.piece(piece, spec.pieceLength),
                    blob.proof(piece, torrent.metainfo),
                    () => {}
                  )
                }
              }).pipe(Effect.andThen(Effect.sleep(Duration.millis(millis))))
            )
          )
        const have = (blobs: BlobStore) =>
          Effect.scoped(Effect.map(blobs.openPieces(torrent.metainfo), (file) => file.recorded().count))
        const first = yield* simulation.startHost("b", host("b"))
        yield* store(first.role.parts.blobs, 0, 20, 600)
        yield* Effect.sleep("1 second")
        yield* store(first.role.parts.blobs, 20, 36, 290)
        yield* first.kill
        const second = yield* simulation.startHost("b", host("b"))
        return yield* have(second.role.parts.blobs)
      })
    )
    // 16 MiB take 17 ms to write, so the last 50 ms of the second batch hold at most three pieces.
    expect(counts).toBeGreaterThan(33)
    expect(counts).toBeLessThan(36)
  })

  it("costs its hashing and its disk in virtual time", () => {
    const took = (hashRate: number) => {
      const simulation = makeSimulation({ seed: "cost", hashRate, writeRate: 1e15, readRate: 1e15 })
      const torrent = simulation.preloadSymbolicBlob("a", "data", spec)
      return simulation.run(
        Effect.scoped(
          Effect.gen(function* () {
            const { blobs } = (yield* simulation.startHost("b", host("b"))).role.parts
            const file = yield* blobs.openPieces(torrent.metainfo)
            const blob = simulation.machine("a").disk.folder("data").blobs.get(torrent.metainfo.digest)!
            const done = yield* Deferred.make<void>()
            for (let piece = 0; piece < 3; piece++) {
              file.store(
                piece,
                blob.piece(piece, spec.pieceLength),
                blob.proof(piece, torrent.metainfo),
                () => {
                  if (piece === 2) Deferred.doneUnsafe(done, Effect.void)
                }
              )
            }
            const start = simulation.kernel.now
            yield* Deferred.await(done)
            return simulation.kernel.now - start
          })
        )
      )
    }
    expect(took(1e9)).toBe(Math.ceil((3 * spec.pieceLength) / 1000))
    expect(took(1e15)).toBeLessThan(2)
  })
})

describe("a host with corrupt pieces", () => {
  it("changes every piece that it loads, of bytes and of symbols", () => {
    const payloads = play((simulation) =>
      Effect.scoped(
        Effect.gen(function* () {
          const symbolic = simulation.preloadSymbolicBlob("a", "data", {
            name: "s",
            length: 1000,
            pieceLength: 500
          })
          const program = Effect.gen(function* () {
            const storage = yield* HostStorage
            const digests = yield* Digests
            const blobs = yield* storage.blobs("data")
            const bytes = new Uint8Array(20_000).fill(5)
            const upload = yield* blobs.createUpload
            yield* blobs.appendUpload(upload, 0, Stream.succeed(bytes))
            const digest = digests.digest("sha256", bytes)
            yield* Effect.orDie(blobs.commitUpload(upload, digest))
            const torrent = yield* Effect.orDie(blobs.makeMetainfo(digest, 16 * 1024))
            return { listeners: [], blobs, torrent }
          }).pipe(Effect.orDie)
          const { role } = yield* simulation.startHost("a", program, { corruptPieces: true })
          const load = (torrent: typeof symbolic) =>
            Effect.flatMap(role.blobs.openPieces(torrent.metainfo), (file) =>
              Effect.callback<unknown>((resume) =>
                file.load(1, (loaded) =>
                  resume(Effect.succeed("payload" in loaded ? loaded.payload : undefined))
                )
              )
            )
          return [yield* load(role.torrent), yield* load(symbolic)]
        })
      )
    )
    expect((payloads[0] as Uint8Array).byteLength).toBe(3616)
    expect(payloads[0]).not.toEqual(new Uint8Array(3616).fill(5))
    expect(payloads[1]).toMatchObject({ byteLength: 500, corrupted: true, piece: 1 })
  })
})
