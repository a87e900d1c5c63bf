// Runs a host program on this machine: gives it real storage, sockets, timers, digests and an HTTP client, and serves
// its apps where its listeners say. A start is all or nothing: when a listener cannot be bound, everything that has
// started stops again. A stop goes the other way round: listeners first, then the program.

import { Effect, Layer, type Scope } from "effect"
import type { HttpClient } from "effect/http"
import type { HostProgram, HostProgramError, HostServices, StartedRole } from "../../roles/host-program.ts"
import type { PeerTransport } from "../../roles/services/peer-transport.ts"
import { nodeHttpClient } from "../http/http-client.ts"
import { type ListenError, type ServedListener, serveListener } from "../http/http-listener.ts"
import { nodeDigests } from "../platform/node-digests.ts"
import { nodeSecrets } from "../platform/node-secrets.ts"
import { nodeTimers } from "../platform/node-timers.ts"
import { wsTransport } from "../sockets/ws-transport.ts"
import { countExternalMemoryInHeapLimit } from "./external-memory.ts"
import { type HostStorageOptions, hostStorage } from "./host-storage.ts"

export interface RunHostOptions {
  readonly storage?: HostStorageOptions
  /** In place of the usual ones, for a host that a test kills. */
  readonly transport?: Layer.Layer<PeerTransport>
  readonly client?: Layer.Layer<HttpClient.HttpClient>
}

export interface RunningHost<Role extends StartedRole> {
  readonly role: Role
  /** The listeners of the role, with their real ports. */
  readonly listeners: ReadonlyArray<ServedListener>
}

/** Runs until the scope closes. The `message` of every error is one line that says what to do. */
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
