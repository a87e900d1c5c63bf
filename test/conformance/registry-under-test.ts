// The registries that the conformance tests run against: a herd in memory, where a request is a call; a herd with an
// agent as processes on loopback, where it is bytes on a socket; and an agent that forwards pushes to such a herd. A
// test states its request and reads the whole answer; it does not know which registry it uses. suite.ts lists the
// tests.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Exit, Scope, Stream } from "effect"
import { makeDigest } from "../../src/protocol/wire/digest.ts"
import { type Exchange, send } from "../../testing/roles/exchange.ts"
import { proxyUrl, startHerd } from "../../testing/roles/herd.ts"
import { makeMemoryWorld } from "../../testing/roles/memory-world.ts"
import { hashOf } from "../support/deterministic-bytes.ts"
import { freePortBase } from "../support/free-ports.ts"
import { exchange, type RawBody } from "../support/raw-http.ts"
import { startShoal, startUp, stopShoal, untilReady } from "../support/shoal-process.ts"

type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE"

interface Sent {
  readonly headers?: Readonly<Record<string, string>>
  /** Bytes go with their Content-Length; a list of bytes goes chunked and without one. */
  readonly body?: RawBody
}

/** Header names are in lower case. Values of a repeated name are joined by ", ". */
export type Answer = Exchange

export type Call = (method: Method, path: string, sent?: Sent) => Promise<Answer>

export interface RegistryUnderTest {
  /** The registry that accepts writes: the herd's proxy, or the agent that forwards them to it. */
  readonly call: Call
  /** Every registry that serves reads, with its name: the proxy, and an agent where there is one. */
  readonly readers: ReadonlyArray<readonly [name: string, call: Call]>
  readonly stop: () => Promise<void>
}

export const inMemory = async (): Promise<RegistryUnderTest> => {
  const world = makeMemoryWorld((algorithm, bytes) => makeDigest(algorithm, hashOf(algorithm, bytes)))
  const scope = await Effect.runPromise(Scope.make())
  await Effect.runPromise(startHerd(world).pipe(Scope.provide(scope)))
  const call: Call = (method, path, { headers, body } = {}) =>
    Effect.runPromise(
      send(world, method, proxyUrl + path, {
        ...(headers === undefined ? {} : { headers }),
        ...(body === undefined ? {} : { body: body instanceof Uint8Array ? body : Stream.fromIterable(body) })
      })
    )
  return {
    call,
    readers: [["the proxy", call]],
    stop: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

export const onLoopback = async (): Promise<RegistryUnderTest> => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-conformance-"))
  const up = await startUp(folder, 1)
  const callOf =
    (address: string): Call =>
    (method, path, sent = {}) =>
      exchange(address, method, path, sent)
  return {
    call: callOf(up.proxy),
    readers: [
      ["the proxy", callOf(up.proxy)],
      ["an agent", callOf(up.agents[0]!)]
    ],
    stop: async () => {
      await stopShoal(up)
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

export const throughAgent = async (): Promise<RegistryUnderTest> => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-conformance-"))
  const up = await startUp(folder, 0)
  const base = await freePortBase(0)
  const [registry, peer] = [`127.0.0.1:${base}`, `127.0.0.1:${base + 1}`]
  const agent = startShoal([
    "agent",
    ...["--data", join(folder, "forwards"), "--log", "warn"],
    ...["--registry", registry, "--peer", peer],
    ...["--tracker", `http://${up.tracker}`, "--build-index", `http://${up.buildIndex}`],
    ...["--push", "forward", "--proxy", `http://${up.proxy}`]
  ])
  await untilReady(agent, registry)
  const call: Call = (method, path, sent = {}) => exchange(registry, method, path, sent)
  return {
    call,
    readers: [["the agent", call]],
    stop: async () => {
      await stopShoal(agent)
      await stopShoal(up)
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** Milliseconds for a test or a start: long enough for a busy machine. */
export const patience = 180_000

/** Declares tests of the registry, which runs when they do. */
export type Part = (registry: () => RegistryUnderTest) => void

let repositories = 0

/** A repository name that no other test uses. */
export const newRepository = (): string => `conformance/part-${process.pid}/r${++repositories}`
