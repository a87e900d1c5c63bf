// Decides how a host program becomes a host on this machine: it gets real storage, sockets, timers, digests and an HTTP
// client, and its apps are served where its listeners say. Starting is all or nothing: when a listener cannot be bound,
// what had started is stopped again. Stopping goes the other way round: listeners first, then the program.

import { Effect, Layer, type Scope } from "effect"
import type { HttpClient } from "effect/http"
import type { HostProgram, HostProgramError, HostServices, StartedRole } from "../../roles/host-program.ts"
import type { PeerTransport } from "../../roles/services/peer-transport.ts"
import { countExternalMemoryInHeapLimit } from "./external-memory.ts"
import { type HostStorageOptions, hostStorage } from "./host-storage.ts"
import { nodeHttpClient } from "../http/http-client.ts"
import { type ListenError, type ServedListener, serveListener } from "../http/http-listener.ts"
import { nodeDigests } from "../platform/node-digests.ts"
import { nodeSecrets } from "../platform/node-secrets.ts"
import { nodeTimers } from "../platform/node-timers.ts"
import { wsTransport } from "../sockets/ws-transport.ts"

export interface RunHostOptions {
  readonly storage?: HostStorageOptions
  /** Instead of the usual ones, for a host that is to be killed. */
  readonly transport?: Layer.Layer<PeerTransport>
  readonly client?: Layer.Layer<HttpClient.HttpClient>
}

export interface RunningHost<Role extends StartedRole> {
  readonly role: Role
  /** As in role.listeners, with the real ports. */
  readonly listeners: ReadonlyArray<ServedListener>
}

/** Runs until the scope closes; every error's `message` is one line that says what to do. */
export const runHost = <Role extends StartedRole>(
  program: HostProgram<Role>,
  options: RunHostOptions = {}
): Effect.Effect<RunningHost<Role>, HostProgramError | ListenError, Scope.Scope> =>
  Effect.gen(function* () {
    countExternalMemoryInHeapLimit()
    const services = yield* Layer.build(hostServices(options))
    const role = yield* Effect.provideContext(program, services)
    const listeners: Array<ServedListener> = []
    for (const listener of role.listeners) listeners.push(yield* serveListener(listener))
    return { role, listeners }
  })

const hostServices = (options: RunHostOptions): Layer.Layer<HostServices> =>
  Layer.mergeAll(
    hostStorage(options.storage),
    options.transport ?? wsTransport,
    nodeTimers,
    nodeDigests,
    nodeSecrets,
    options.client ?? nodeHttpClient
  )
