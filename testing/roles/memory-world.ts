// Memory world, in which tests of roles run host programs: storage in memory, and HTTP requests that call the app of
// the listening host. Its peer transport reaches no peer.

import { Context, Effect, Exit, Option, Scope } from "effect"
import {
  HttpClient,
  HttpClientError,
  type HttpClientRequest,
  HttpServerRequest,
  HttpServerResponse
} from "effect/http"
import { digestEncoded } from "../../src/protocol/wire/digest.ts"
import type { SwarmId } from "../../src/protocol/wire/message.ts"
import { encodeMetainfo } from "../../src/protocol/wire/metainfo.ts"
import type {
  HostProgram,
  HostProgramError,
  HostServices,
  StartedRole
} from "../../src/roles/host-program.ts"
import { UndeclaredStatus } from "../../src/roles/http/api-routes.ts"
import type { HttpApp } from "../../src/roles/http/http-app.ts"
import { Digests } from "../../src/roles/services/digests.ts"
import { HostStorage } from "../../src/roles/services/host-storage.ts"
import { PeerTransport } from "../../src/roles/services/peer-transport.ts"
import { Timers } from "../../src/roles/services/timers.ts"
import { digestOf } from "../../src/runtime-net/platform/node-digests.ts"
import { type MemoryBlobs, makeMemoryBlobs } from "./memory-blob-store.ts"
import { type MemoryTables, makeMemoryTables } from "./memory-table-store.ts"

export interface RunningRole<Role> {
  readonly role: Role
  readonly stop: Effect.Effect<void>
}

export interface MemoryWorld {
  readonly client: HttpClient.HttpClient
  readonly digests: Digests["Service"]
  readonly services: Context.Context<HostServices>
  readonly blobs: (folder: string) => MemoryBlobs
  readonly tables: (folder: string) => MemoryTables
  /** Runs a program and serves its apps until `stop`. */
  readonly start: <Role extends StartedRole>(
    program: HostProgram<Role>
  ) => Effect.Effect<RunningRole<Role>, HostProgramError>
  /** Requests that reached an app in order, as "METHOD url". */
  readonly requests: string[]
  /** The remote address of every request; undefined for an unknown one. */
  clientAddress: string | undefined
  /** Listeners ("host:port") that do not answer. */
  readonly unreachable: Set<string>
  /** May change an answer before the client gets it. */
  spoil: (
    request: HttpClientRequest.HttpClientRequest,
    response: HttpServerResponse.HttpServerResponse
  ) => HttpServerResponse.HttpServerResponse
}

/** A world whose digests are true, unless the test gives a `hash` of its own. */
export const makeMemoryWorld = (hash: Digests["Service"]["digest"] = digestOf): MemoryWorld => {
  const digests: Digests["Service"] = {
    digest: hash,
    swarmId: (metainfo) => digestEncoded(hash("sha256", encodeMetainfo(metainfo))) as SwarmId
  }
  const apps = new Map<string, HttpApp>()
  const blobs = new Map<string, MemoryBlobs>()
  const tables = new Map<string, MemoryTables>()
  const within = <A>(map: Map<string, A>, key: string, make: () => A): A => {
    const there = map.get(key)
    if (there !== undefined) return there
    const made = make()
    map.set(key, made)
    return made
  }
  const blobsOf = (folder: string) => within(blobs, folder, () => makeMemoryBlobs(digests))
  const tablesOf = (folder: string) => within(tables, folder, makeMemoryTables)

  const client = HttpClient.make((request, url) =>
    Effect.gen(function* () {
      const app = world.unreachable.has(url.host) ? undefined : apps.get(url.host)
      if (app === undefined) {
        return yield* new HttpClientError.HttpClientError({
          reason: new HttpClientError.TransportError({
            request,
            description: `connection refused by ${url.host}`
          })
        })
      }
      world.requests.push(`${request.method} ${url.pathname}`)
      const served = HttpServerRequest.fromClientRequest(request).modify({
        remoteAddress: Option.fromUndefinedOr(world.clientAddress)
      })
      const response = yield* app.pipe(
        Effect.provideService(HttpServerRequest.HttpServerRequest, served),
        Effect.scoped
      )
      const answer = world.spoil(request, response)
      const bodiless = request.method === "HEAD" || answer.status === 304 || answer.status === 204
      return HttpServerResponse.toClientResponse(
        bodiless ? HttpServerResponse.empty({ status: answer.status, headers: answer.headers }) : answer,
        { request }
      )
    })
  )

  const services: Context.Context<HostServices> = Context.empty().pipe(
    Context.add(HttpClient.HttpClient, client),
    Context.add(Digests, digests),
    Context.add(HostStorage, {
      blobs: (folder) => Effect.sync(() => blobsOf(folder)),
      tables: (folder) => Effect.sync(() => tablesOf(folder)),
      identity: (folder) => Effect.succeed(`identity of ${folder}`)
    }),
    Context.add(PeerTransport, {
      listen: ({ listen }) =>
        Effect.succeed({
          address: `${listen.host}:${listen.port}`,
          dial: () => {},
          send: () => {},
          disconnect: () => {}
        })
    }),
    Context.add(UndeclaredStatus, (message) => Effect.die(new Error(message))),
    Context.add(Timers, { now: () => 0, wakeAt: () => () => {} })
  )

  const world: MemoryWorld = {
    client,
    digests,
    services,
    blobs: blobsOf,
    tables: tablesOf,
    requests: [],
    clientAddress: undefined,
    unreachable: new Set(),
    spoil: (_, response) => response,
    start: (program) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const role = yield* program.pipe(Effect.provide(services), Scope.provide(scope))
        const listeners = role.listeners.map(
          ({ listen: { host, port }, app }) => [`${host}:${port}`, app] as const
        )
        for (const [host, app] of listeners) apps.set(host, app)
        const stop = Effect.suspend(() => {
          for (const [host] of listeners) apps.delete(host)
          return Scope.close(scope, Exit.void)
        })
        return { role, stop }
      })
  }
  return world
}
