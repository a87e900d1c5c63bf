// A small workload that uses every part of a simulation, for tests of determinism: hosts gossip pieces of a symbolic
// blob over peer connections, ask a registry of names over HTTP, store rows in tables, sleep, retry and log; one is
// killed and restarted, one is cut off for a while. It is no protocol: it only has to be busy.

import { Clock, Duration, Effect, Random, Schedule } from "effect"
import { HttpBody, HttpClient, HttpClientRequest, HttpServerRequest, HttpServerResponse } from "effect/http"
import type { SwarmId } from "../../src/protocol/wire/message.ts"
import { pieceCount, type Torrent } from "../../src/protocol/wire/metainfo.ts"
import { rateLimits } from "../../src/roles/config/process-keys.ts"
import { makeHttpApp } from "../../src/roles/http/http-app.ts"
import { HostStorage } from "../../src/roles/services/host-storage.ts"
import { makeRoleMetrics } from "../../src/roles/services/metrics.ts"
import { PeerTransport } from "../../src/roles/services/peer-transport.ts"
import { Timers } from "../../src/roles/services/timers.ts"
import { makeSimulation, type SimulationOptions } from "../../src/runtime-sim/simulation.ts"

const hosts = 12
const blob = { name: "gossip", length: 40 * 256 * 1024 - 5, pieceLength: 256 * 1024 }

export interface GossipResult {
  readonly hash: string
  readonly events: number
  /** Pieces that each host has at the end. */
  readonly pieces: ReadonlyArray<number>
}

/** Records the name of each caller, and answers with all earlier ones. */
const registry = Effect.gen(function* () {
  const known: string[] = []
  const app = yield* makeHttpApp(
    [
      {
        method: "POST",
        path: "/names",
        handler: Effect.gen(function* () {
          const request = yield* HttpServerRequest.HttpServerRequest
          const name = yield* Effect.orDie(request.text)
          const others = known.filter((other) => other !== name)
          if (others.length === known.length) known.push(name)
          return HttpServerResponse.text(others.join("\n"))
        })
      }
    ],
    { metrics: makeRoleMetrics("registry"), notReady: Effect.succeed([]) }
  )
  return { listeners: [{ name: "http", listen: { host: "registry", port: 80 }, app }] }
})

/** Asks known hosts for missing pieces, until it has all. */
const gossiper = (name: string, torrent: Torrent) =>
  Effect.gen(function* () {
    const storage = yield* HostStorage
    const blobs = yield* storage.blobs("data")
    const tables = yield* storage.tables("data")
    const transport = yield* PeerTransport
    const timers = yield* Timers
    const random = yield* Random.Random
    const client = yield* HttpClient.HttpClient
    const file = yield* blobs.openPieces(torrent.metainfo)
    const have = file.have()
    const pieces = pieceCount(torrent.metainfo)
    const recorded = file.recorded()
    for (let piece = 0; piece < pieces; piece++) {
      if (recorded.has(piece)) file.check(piece, (isThere) => isThere && have.set(piece))
    }
    const swarm: SwarmId = torrent.swarm
    const draw = (bound: number) => Math.floor(random.nextDoubleUnsafe() * bound)

    const ask = (connection: number): void => {
      if (have.isFull) return
      let piece = draw(pieces)
      while (have.has(piece)) piece = (piece + 1) % pieces
      endpoint.send(connection, { tag: "Request", channel: 1, piece })
    }
    const endpoint = yield* transport.listen(
      { listen: { host: name, port: 7000 }, rates: rateLimits({ egress: 50_000_000 }) },
      {
        connected: (connection) => ask(connection),
        dialFailed: () => {},
        received: (connection, message) => {
          if (message.tag === "Request") {
            const { piece } = message
            if (!have.has(piece)) {
              endpoint.send(connection, {
                tag: "Reject",
                channel: 1,
                piece,
                reason: "missing",
                retryAfter: 0
              })
              return
            }
            file.load(piece, (outcome) => {
              if (outcome.tag === "Failed") return
              const { payload, proof } = outcome
              endpoint.send(connection, { tag: "Piece", channel: 1, piece, proof, payload }, swarm)
            })
          } else if (message.tag === "Piece") {
            const { piece, payload, proof } = message
            file.store(piece, payload, proof, (outcome) => {
              if (outcome.tag === "Stored") have.set(piece)
              ask(connection)
            })
          } else if (message.tag === "Reject") {
            timers.wakeAt(timers.now() + 1000 + draw(4000), () => ask(connection))
          }
        },
        protocolBroken: () => {},
        pieceSent: () => {},
        disconnected: () => {}
      }
    )
    let dialled = 0
    const meet = Effect.gen(function* () {
      const request = HttpClientRequest.post("http://registry/names").pipe(
        HttpClientRequest.setBody(HttpBody.text(endpoint.address))
      )
      const response = yield* Effect.timeout(client.execute(request), "1 second")
      const others = (yield* response.text).split("\n").filter((address) => address !== "")
      const now = yield* Clock.currentTimeMillis
      yield* tables.write([
        { tag: "Put", table: "seen", key: String(now), value: String(others.length) },
        { tag: "Put", table: "seen", key: "pieces", value: String(have.count) }
      ])
      yield* Effect.logInfo(`${name} has ${have.count} pieces and knows ${others.length}`)
      if (others.length > 0) endpoint.dial(++dialled, others[draw(others.length)]!)
    })
    const loop = Effect.forever(
      Effect.andThen(
        Effect.ignore(
          Effect.retry(meet, { schedule: Schedule.jittered(Schedule.spaced("50 millis")), times: 3 })
        ),
        Effect.flatMap(Random.nextIntBetween(20, 60), (millis) => Effect.sleep(Duration.millis(millis)))
      )
    )
    yield* Effect.forkScoped(loop)
    return { listeners: [], count: () => have.count }
  })

/** Plays the workload; equal arguments give equal results. */
export const playGossip = (options: SimulationOptions): GossipResult => {
  const simulation = makeSimulation(options)
  const torrent = simulation.preloadSymbolicBlob("host-0", "data", blob)
  const start = (index: number) => simulation.startHost(`host-${index}`, gossiper(`host-${index}`, torrent))
  const faults = simulation.networkFaults
  const machine = (index: number) => simulation.machine(`host-${index}`).host
  const pieces = simulation.run(
    Effect.gen(function* () {
      yield* simulation.startHost("registry", registry)
      const running = yield* Effect.forEach(Array.from({ length: hosts }).keys(), start)
      yield* Effect.sleep("60 millis")
      yield* running[3]!.kill
      faults.partition([[machine(5), machine(6)]])
      yield* Effect.sleep("100 millis")
      running[3] = yield* start(3)
      faults.healAll()
      yield* running[7]!.stop
      yield* Effect.sleep("2 seconds")
      return running.map(({ role }) => role.count())
    })
  )
  return { hash: simulation.traceHash(), events: simulation.stats().events, pieces }
}
