// Plays a scripted scenario on this machine: hosts are programs in this process with real sockets on loopback and
// real folders under a temporary one. A kill takes a host's disk, sockets and client away before its fibers end, so
// that nothing leaves it in order. It does not know the scripts.

import { createCipheriv, hash } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { HttpClient, HttpClientError } from "effect/http"
import { reservePorts } from "../../experiments/real-bench/reserved-ports.ts"
import { invariant } from "../../src/protocol/kit/invariant.ts"
import { hashBytes } from "../../src/protocol/wire/hash-tree.ts"
import type { HostProgramError, StartedRole } from "../../src/roles/host-program.ts"
import type { BlobStore, PieceFile } from "../../src/roles/services/blob-store.ts"
import { Digests } from "../../src/roles/services/digests.ts"
import { nodeHttpClient } from "../../src/runtime-net/http/http-client.ts"
import { nodeDigests } from "../../src/runtime-net/platform/node-digests.ts"
import { type RunningHost, runHost } from "../../src/runtime-net/process/run-host.ts"
import { makeWsTransport } from "../../src/runtime-net/sockets/ws-transport.ts"
import { type Disk, fenceDisk, nodeDisk } from "../../src/runtime-net/store/disk.ts"
import type { ScenarioFaults, ScenarioHost, ScenarioWorld } from "../scenarios/world.ts"

const hostAddress = "127.0.0.1"

/** Maximum of listeners of the hosts of one world. */
const portsPerWorld = 64

/** A world that lasts as long as the scope. */
export const makeNetWorld: Effect.Effect<ScenarioWorld, never, Scope.Scope> = Effect.gen(function* () {
  const root = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "shoal-world-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
  const free = yield* freePorts(portsPerWorld)
  const given = new Map<string, number>()
  const services = yield* Layer.build(Layer.merge(nodeHttpClient, nodeDigests))
  const world: ScenarioWorld = {
    kind: "net",
    hostName: () => hostAddress,
    port: (name, listener) => {
      const key = `${name}/${listener}`
      const port = given.get(key) ?? free.pop()
      invariant(port !== undefined, "scenario: more listeners than the world has ports")
      given.set(key, port)
      return port
    },
    start: (name, program, faults) => startHost(join(root, name), program, faults),
    client: Context.get(services, HttpClient.HttpClient),
    digests: Context.get(services, Digests),
    bytes
  }
  return world
})

const startHost = <Role extends StartedRole>(
  root: string,
  program: Parameters<typeof runHost<Role>>[0],
  faults: ScenarioFaults | undefined
): Effect.Effect<ScenarioHost<Role>, HostProgramError, Scope.Scope> =>
  Effect.gen(function* () {
    let killed = false
    const scope = yield* Effect.acquireRelease(Scope.make(), (made) => Scope.close(made, Exit.void))
    const room = faults?.diskRoom
    const fenced = fenceDisk(room === undefined ? nodeDisk : fullAfter(nodeDisk, room))
    const transport = makeWsTransport()
    const running: RunningHost<Role> = yield* runHost(program, {
      storage: {
        root,
        disk: fenced.disk,
        tablesClosed: () => (killed ? "the host was killed" : undefined),
        ...(faults?.corruptPieces === true ? { wrapBlobs: corrupting(flipMiddle, same) } : {}),
        ...(faults?.corruptProofs === true ? { wrapBlobs: corrupting(same, flipHashes) } : {})
      },
      transport: transport.layer,
      client: killableClient(() => killed)
    }).pipe(Scope.provide(scope))
    return {
      role: running.role,
      stop: Scope.close(scope, Exit.void),
      kill: Effect.suspend(() => {
        killed = true
        fenced.fence()
        transport.kill()
        for (const { server } of running.listeners) {
          server.close()
          server.closeAllConnections()
        }
        return Scope.close(scope, Exit.void)
      })
    }
  })

/** A disk that accepts this many bytes and is full afterwards, whatever is removed. */
const fullAfter = (disk: Disk, room: number): Disk => {
  let left = room
  return {
    ...disk,
    write: (file, chunks, position, done) => {
      const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
      if (bytes > left) {
        setImmediate(done, Object.assign(new Error("no space left on device"), { code: "ENOSPC" }))
        return
      }
      left -= bytes
      disk.write(file, chunks, position, done)
    }
  }
}

/** A client that reaches nobody once its host was killed. */
const killableClient = (killed: () => boolean): Layer.Layer<HttpClient.HttpClient> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.map(HttpClient.HttpClient, (client) =>
      HttpClient.transform(client, (response, request) =>
        Effect.suspend(() =>
          killed()
            ? Effect.fail(
                new HttpClientError.HttpClientError({
                  reason: new HttpClientError.TransportError({ request, description: "the host was killed" })
                })
              )
            : response
        )
      )
    )
  ).pipe(Layer.provide(Layer.fresh(nodeHttpClient)))

type Change = (bytes: Uint8Array) => Uint8Array

const same: Change = (bytes) => bytes

/** Changes one bit in the middle. */
const flipMiddle: Change = (bytes) => {
  const changed = bytes.slice()
  changed[changed.length >> 1]! ^= 1
  return changed
}

/** Changes one bit of every hash. */
const flipHashes: Change = (proof) => proof.map((byte, index) => (index % hashBytes === 0 ? byte ^ 1 : byte))

/** A store that changes every piece that it loads, or its proof. */
const corrupting =
  (changePiece: Change, changeProof: Change) =>
  (store: BlobStore): BlobStore => ({
    ...store,
    openPieces: (metainfo) =>
      Effect.map(
        store.openPieces(metainfo),
        (file): PieceFile => ({
          ...file,
          load: (piece, done) =>
            file.load(piece, (outcome) => {
              if (outcome.tag === "Failed") {
                done(outcome)
                return
              }
              const { payload, proof } = outcome
              invariant(payload instanceof Uint8Array, "scenario: a payload is not bytes")
              invariant(proof instanceof Uint8Array, "scenario: a proof is not bytes")
              done({ tag: "Loaded", payload: changePiece(payload), proof: changeProof(proof) })
            })
        })
      )
  })

/** The key stream of AES-256 in counter mode, with the hash of the seed as the key. */
const bytes = (seed: string, length: number): Uint8Array =>
  createCipheriv("aes-256-ctr", hash("sha256", seed, "buffer"), Buffer.alloc(16)).update(Buffer.alloc(length))

const lowest = 12_000
const highest = 32_000

/** The start of the next world's search. Processes begin in different places, so that they seldom meet. */
let nextPort = lowest + Math.floor(Math.random() * (highest - lowest))

/**
 * Ports that nobody else uses while the scope is open, below the range of the ports of outgoing connections, so that
 * none of those takes one before a host does.
 */
const freePorts = (count: number): Effect.Effect<Array<number>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const found: Array<number> = []
    for (let looked = 0; found.length < count; looked++) {
      invariant(looked < highest - lowest, "scenario: this machine has hardly a free port")
      const port = nextPort++
      if (nextPort === highest) nextPort = lowest
      const release = yield* Effect.acquireRelease(
        Effect.promise(() => reservePorts([port])),
        (reserved) => Effect.sync(() => reserved?.())
      )
      if (release !== undefined) found.push(port)
    }
    return found
  })
