// The cluster for hostile clients: a herd and two agents in memory, with two images, and the conditions that every
// answer must meet. Requests reach the listeners' apps with the bytes of their request line.

import { Effect, Exit, Option, Result, type Scope, Stream } from "effect"
import { HttpClientRequest, type HttpMethod, HttpServerRequest, HttpServerResponse } from "effect/http"
import { agent } from "../../src/roles/agent/agent.ts"
import { agentConfig } from "../../src/roles/agent/config.ts"
import { herdConfig } from "../../src/roles/herd/config.ts"
import { herd } from "../../src/roles/herd/herd.ts"
import type { HostProgramError, HttpListener } from "../../src/roles/host-program.ts"
import { herdSettings, proxyUrl } from "../../testing/roles/herd.ts"
import type { MemoryWorld } from "../../testing/roles/memory-world.ts"
import { pushImage } from "../../testing/roles/push.ts"
import type { HostileBody } from "./hostile-bodies.ts"
import type { HostileRequest, ListenerKind } from "./hostile-requests.ts"
import { type Named, targetOf } from "./hostile-text.ts"

export interface HostileCluster {
  readonly listeners: ReadonlyArray<HttpListener>
  /** The kind of each listener. */
  readonly kinds: ReadonlyArray<ListenerKind>
  readonly named: Named & { readonly uploads: Array<string> }
  /** Pushes the images again, to replace deleted ones. */
  readonly refill: Effect.Effect<void>
  /** Sends a request. Returns the problem of the answer, if there is one. */
  readonly send: (request: HostileRequest) => Effect.Effect<string | undefined>
}

/** An agent whose store is the origin's, so it has every blob that is requested. */
const configOf = (name: string, push: "forward" | "refuse") =>
  agentConfig({
    data: "herd/origin",
    peer: { host: name, port: 2 },
    registry: { host: name, port: 1 },
    trackers: ["http://herd:15003"],
    buildIndexes: ["http://herd:15004"],
    proxy: proxyUrl,
    push
  })

export const startHostileCluster = (
  world: MemoryWorld
): Effect.Effect<HostileCluster, HostProgramError, Scope.Scope> =>
  Effect.gen(function* () {
    const start = <Role extends { readonly listeners: ReadonlyArray<HttpListener> }>(
      running: Effect.Effect<{ readonly role: Role; readonly stop: Effect.Effect<void> }, HostProgramError>
    ) =>
      Effect.map(
        Effect.acquireRelease(running, ({ stop }) => stop),
        ({ role }) => role.listeners
      )
    const listeners = [
      ...(yield* start(world.start(herd(herdConfig(herdSettings))))),
      ...(yield* start(world.start(agent(configOf("agent", "refuse"))))),
      ...(yield* start(world.start(agent(configOf("forwarder", "forward")))))
    ]
    const pushed = Effect.orDie(
      Effect.all([
        pushImage(world, proxyUrl, "demo/app", "1", 1),
        pushImage(world, proxyUrl, "a/b/c/d-e/f__g.h", "v1.0", 2)
      ])
    )
    const images = yield* pushed
    const named = {
      repositories: ["demo/app", "demo%2Fapp", "a/b/c/d-e/f__g.h", "a%2Fb%2Fc%2Fd-e%2Ff__g.h", "demo/other"],
      internal: ["internal%2Fapp", "internal"],
      tags: ["1", "v1.0", "new", "_"],
      digests: images.flatMap(({ digest, layer, config }) => [digest, layer, config]),
      uploads: [] as string[]
    }
    const kindOf = (name: string): ListenerKind =>
      name === "origin" || name === "tracker" || name === "build-index" ? name : "registry"
    const kinds = listeners.map(({ name }) => kindOf(name))
    return {
      listeners,
      kinds,
      named,
      refill: Effect.asVoid(pushed),
      send: (request) => sendHostile(listeners, named, request)
    }
  })

class BodyBroke extends Error {}

const streamOf = (body: HostileBody & { readonly kind: "stream" }) => {
  const pieces = Stream.rechunk(Stream.fromArray(body.pieces), 1)
  return body.breaks ? Stream.concat(pieces, Stream.fail(new BodyBroke("the client hung up"))) : pieces
}

const sendHostile = (
  listeners: ReadonlyArray<HttpListener>,
  named: HostileCluster["named"],
  hostile: HostileRequest
): Effect.Effect<string | undefined> =>
  Effect.gen(function* () {
    const target = targetOf(hostile.target, named)
    const { name, listen, app } = listeners[hostile.listener % listeners.length]!
    const plain = HttpClientRequest.make(hostile.method as HttpMethod.HttpMethod)("http://listener/")
    const { body } = hostile
    const contentType = hostile.headers["content-type"] ?? "application/octet-stream"
    const filled =
      body.kind === "none"
        ? plain
        : body.kind === "bytes"
          ? HttpClientRequest.bodyUint8Array(plain, body.bytes, contentType)
          : HttpClientRequest.bodyStream(plain, streamOf(body), { contentType })
    const source = HttpClientRequest.setHeaders(filled, hostile.headers)
    const request = HttpServerRequest.fromClientRequest(source).modify({
      url: target,
      remoteAddress: Option.some("192.0.2.1")
    })
    const exit = yield* Effect.exit(
      Effect.gen(function* () {
        const response = yield* Effect.provideService(app, HttpServerRequest.HttpServerRequest, request)
        const bytes = yield* Stream.mkUint8Array(
          HttpServerResponse.toClientResponse(response, { request: source }).stream
        )
        return { response, bytes }
      }).pipe(Effect.scoped)
    )
    const what = `${hostile.method} ${target.slice(0, 300)} at ${name} of ${listen.host}`
    if (Exit.isFailure(exit)) return `${what} failed: ${String(exit.cause)}`
    const { response, bytes } = exit.value
    const location = response.headers.location
    const upload = /\/blobs\/uploads\/([^/?]+)$/.exec(location ?? "")?.[1]
    if (upload !== undefined) named.uploads.push(upload)
    const problem = answerProblem(response.status, response.headers, bytes, hostile.method === "HEAD")
    return problem === undefined ? undefined : `${what}: ${problem}`
  })

/** The problem of an answer to a bad request, if there is one. */
export const answerProblem = (
  status: number,
  headers: Readonly<Record<string, string | undefined>>,
  bytes: Uint8Array,
  isHead: boolean
): string | undefined => {
  const text = new TextDecoder().decode(bytes)
  if (status < 200 || status >= 500) return `it was answered ${status}: ${text.slice(0, 500)}`
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value ?? "")) {
      return `the header ${name} cannot be sent: ${JSON.stringify(value)}`
    }
  }
  if (status < 400 || isHead) return undefined
  if (headers["content-type"] !== "application/json")
    return `${status} has the type ${headers["content-type"]}`
  const document = Result.try(() => JSON.parse(text) as unknown)
  if (Result.isFailure(document)) return `${status} is not JSON: ${text.slice(0, 200)}`
  const errors = (document.success as { readonly errors?: unknown } | null)?.errors
  const isForm =
    Array.isArray(errors) &&
    errors.length > 0 &&
    errors.every(
      (error: { readonly code?: unknown; readonly message?: unknown }) =>
        /^[A-Z_]+$/.test(String(error.code)) && typeof error.message === "string"
    )
  if (!isForm) return `${status} has another form: ${text.slice(0, 200)}`
  return bytes.byteLength > 20_000 ? `${status} has ${bytes.byteLength} bytes` : undefined
}
