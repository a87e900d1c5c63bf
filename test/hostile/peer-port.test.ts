// Hostile callers at the peer port of a shipped agent, over real sockets. Each connection is closed and counted, slow
// ones when their time is over. Whatever they send and however they end, no connection, promise or memory is left
// behind, and a correct peer is served.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { assert, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import fc from "fast-check"
import { WebSocket } from "ws"
import { decodeMessage, encodeMessage } from "../../src/protocol/wire/codec.ts"
import type { Digest } from "../../src/protocol/wire/digest.ts"
import { protocolVersion } from "../../src/protocol/wire/message.ts"
import { decodeMetainfo, type Metainfo } from "../../src/protocol/wire/metainfo.ts"
import type { PeerId } from "../../src/protocol/wire/peer-id.ts"
import { agent } from "../../src/roles/agent/agent.ts"
import { agentConfig } from "../../src/roles/agent/config.ts"
import { formatBlobPath } from "../../src/roles/client/blob-path.ts"
import { herdConfig } from "../../src/roles/herd/config.ts"
import { herd } from "../../src/roles/herd/herd.ts"
import { swarmIdOf } from "../../src/runtime-net/platform/node-digests.ts"
import { runHost } from "../../src/runtime-net/process/run-host.ts"
import { peerPath } from "../../src/runtime-net/sockets/ws-transport.ts"
import { sumOf } from "../../testing/roles/metrics.ts"
import { rawConnection } from "../../testing/runtime-net/raw-connection.ts"
import { freePortBase } from "../support/free-ports.ts"
import { metricsOf } from "../support/prometheus.ts"
import { pullBlob, pushImage } from "../support/registry-client.ts"
import { anyPeer, badPeer, type HostilePeer, refusedPeers, slowPeers } from "./hostile-peers.ts"

const rounds = Number(process.env.SHOAL_FUZZ_RUNS ?? 200)
const MiB = 1024 * 1024

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "shoal-peers-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** Bytes in use, on the heap and beside it, after a full garbage collection. */
const memoryInUse = (): { readonly heap: number; readonly buffers: number } => {
  setFlagsFromString("--expose-gc")
  const collect = runInNewContext("gc") as () => void
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return { heap: heapUsed, buffers: arrayBuffers }
}

const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const openSockets = (): number =>
  process.getActiveResourcesInfo().filter((resource) => resource === "TCPSocketWrap").length

/** Waits until `check` holds, for work that ends after its caller has gone. Prints `what` when it never does. */
const eventually = (what: string, check: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    while (!check()) yield* Effect.sleep(50)
  }).pipe(Effect.onInterrupt(() => Effect.sync(() => process.stderr.write(`never came true: ${what}\n`))))

/** An agent that has a blob of a few pieces, and what a caller needs to know of it. */
const seedingAgent = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const base = yield* Effect.promise(() => freePortBase(1))
  const listen = (offset: number) => ({ host: "127.0.0.1", port: base + offset })
  const url = (offset: number) => `http://127.0.0.1:${base + offset}`
  const storage = { root: folder }
  const [proxy, peer, origin, tracker, buildIndex] = [0, 1, 2, 3, 4].map(listen)
  yield* runHost(
    herd(
      herdConfig({
        ...{ data: "herd", proxy: proxy!, peer: peer! },
        ...{ origin: origin!, tracker: tracker!, buildIndex: buildIndex! }
      })
    ),
    { storage }
  )
  const { role } = yield* runHost(
    agent(
      agentConfig({
        ...{ data: "agent", registry: listen(1000), peer: listen(1001) },
        ...{ trackers: [url(3)], buildIndexes: [url(4)] }
      })
    ),
    { storage }
  )
  const registry = `127.0.0.1:${base + 1000}`
  const metainfo = yield* Effect.promise(async (): Promise<Metainfo> => {
    const image = await pushImage(`127.0.0.1:${base}`, "demo/app", "1", [new Uint8Array(2 * MiB).fill(7)])
    const digest = image.layers[0] as Digest
    await pullBlob(registry, "demo/app", digest)
    const path = formatBlobPath({ tag: "Metainfo", namespace: "demo/app", digest })
    const answer = await fetch(url(2) + path)
    return decodeMetainfo(new Uint8Array(await answer.arrayBuffer())) as Metainfo
  })
  const invalidHandshakes = Effect.promise(async () =>
    sumOf(await metricsOf(registry), "shoal_peer_invalid_handshakes_total", {})
  )
  const { machine } = role.engine
  // The connection to the origin stays for a while.
  const before = machine.connections
  const alone = eventually("every connection is gone", () => machine.connections <= before)
  return { port: base + 1001, swarm: swarmIdOf(metainfo), machine, invalidHandshakes, alone }
})

/** Plays the caller, and waits for the host to close the connection if it must. */
const call = (port: number, caller: HostilePeer) =>
  Effect.gen(function* () {
    const connection = yield* rawConnection(port)
    connection.socket.setNoDelay(true)
    if (caller.ends === "unread") connection.socket.pause()
    for (const bytes of caller.writes) {
      connection.write(bytes)
      yield* turn
    }
    if (caller.ends === "break") connection.socket.resetAndDestroy()
    if (caller.ends === "half") connection.socket.end()
    if (caller.isClosed) yield* connection.closed
  })

/** A correct peer: Hello is answered by Hello. */
const greet = (port: number) =>
  Effect.callback<string>((resume) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${peerPath}`)
    const peerId = "a1".repeat(20) as PeerId
    const hello = { tag: "Hello", version: protocolVersion, peerId, kind: "agent", address: "" } as const
    socket.on("error", (error) => resume(Effect.succeed(error.message)))
    socket.on("open", () => socket.send(encodeMessage({ ...hello, credentials: new Uint8Array() })))
    socket.on("message", (data) => {
      socket.terminate()
      resume(Effect.succeed(decodeMessage(data as Buffer).tag))
    })
  })

/** Runs a test in which no rejected promise may stay unhandled. */
const heard = <A, E, R>(test: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const unhandled: Array<unknown> = []
    const note = (reason: unknown) => void unhandled.push(reason)
    process.on("unhandledRejection", note)
    yield* Effect.addFinalizer(() => Effect.sync(() => process.off("unhandledRejection", note)))
    yield* test
    assert.deepStrictEqual(unhandled, [])
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

it.live("a caller that is not a peer is closed and counted once", () =>
  heard(
    Effect.gen(function* () {
      const { port, swarm, machine, invalidHandshakes, alone } = yield* seedingAgent
      const counted = Effect.map(invalidHandshakes, (invalidHandshake) => ({
        invalidHandshake,
        broken: machine.counters.protocolErrors
      }))
      const before = yield* counted
      const seed = Date.now() % 1_000_000
      const callers = [...slowPeers, ...refusedPeers, ...fc.sample(badPeer(swarm), { numRuns: rounds, seed })]
      yield* Effect.forEach(callers, (caller) => Effect.scoped(call(port, caller)), {
        concurrency: 64,
        discard: true
      })
      const after = yield* counted
      const expected = (kind: HostilePeer["counts"]) => callers.filter(({ counts }) => counts === kind).length
      assert.deepStrictEqual(
        {
          invalidHandshake: after.invalidHandshake - before.invalidHandshake,
          broken: after.broken - before.broken
        },
        { invalidHandshake: expected("invalid handshake"), broken: expected("broken") },
        `seed ${seed}`
      )
      yield* alone
      assert.strictEqual(yield* greet(port), "Hello")
    })
  )
)

it.live("callers that send anything leave no connection and no memory behind", () =>
  heard(
    Effect.gen(function* () {
      const { port, swarm, machine, invalidHandshakes, alone } = yield* seedingAgent
      const play = (seed: number) =>
        Effect.gen(function* () {
          const callers = fc.sample(anyPeer(swarm), { numRuns: rounds, seed })
          // Callers that hold their connection do so until their whole batch has spoken.
          for (let at = 0; at < callers.length; at += 50) {
            const batch = Effect.forEach(callers.slice(at, at + 50), (caller) => call(port, caller), {
              concurrency: "unbounded",
              discard: true
            })
            yield* Effect.scoped(batch)
          }
          yield* alone
          assert.deepStrictEqual(machine.uploads, { pieces: 0, stalled: 0, bytes: 0 }, `seed ${seed}`)
        })
      // Memory that may grow at first (caches, series, compiled code) has grown after a first part.
      yield* play(1)
      const before = { ...memoryInUse(), sockets: openSockets(), invalidHandshakes: yield* invalidHandshakes }
      const seed = Date.now() % 1_000_000
      yield* play(seed)
      // Unreferenced buffers are freed a while after they were found.
      yield* eventually(`no memory is left behind (seed ${seed})`, () => {
        const { heap, buffers } = memoryInUse()
        return heap - before.heap < 16 * MiB && buffers - before.buffers < 16 * MiB
      })
      yield* eventually(`no socket is left behind (seed ${seed})`, () => openSockets() <= before.sockets + 4)
      assert.isAtMost((yield* invalidHandshakes) - before.invalidHandshakes, rounds, `seed ${seed}`)
      assert.strictEqual(yield* greet(port), "Hello")
    })
  )
)
