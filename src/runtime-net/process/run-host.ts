// Runs a host program on this machine: gives it real storage, sockets, timers, digests and an HTTP client, and serves
// its apps where its listeners say. A start is all or nothing: when a listener cannot be bound, everything that has
// started stops again. A stop goes the other way round: listeners first, then the program.

import { setFlagsFromString } from "node:v8"
import { Effect, Layer, type Scope } from "effect"
import { HttpClient } from "effect/http"
import type { HostProgram, HostProgramError, HostServices, StartedRole } from "../../roles/host-program.ts"
import type { PeerTransport } from "../../roles/services/peer-transport.ts"
import { ProcessUse } from "../../roles/services/process-use.ts"
import { nodeHttpClient } from "../http/http-client.ts"
import { type ListenError, type ServedListener, serveListener } from "../http/http-listener.ts"
import { makeOwnListeners, type OwnListeners } from "../http/own-listeners.ts"
import { nodeDigests } from "../platform/node-digests.ts"
import { nodeProcessUse } from "../platform/node-process-use.ts"
import { nodeSecrets } from "../platform/node-secrets.ts"
import { nodeTimers } from "../platform/node-timers.ts"
import { wsTransport } from "../sockets/ws-transport.ts"
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

/**
 * Pieces stream through buffers outside V8's heap. By default every 64 MiB of new buffers start a full collection,
 * which cost half of the processor time of a receiving host (measured on Node 24.21, 4 MiB pieces over loopback: 7.0 s
 * for 4.3 GB, 3.7 s with this setting; the sender 4.4 and 3.1 s). With it the buffers count within the limits of the
 * heap, so collections follow the growth of live memory, which stays bounded by these limits. It applies to the whole
 * process.
 */
const countExternalMemoryInHeapLimit = (): void => {
  setFlagsFromString("--external-memory-accounted-in-global-limit")
}

/** Runs until the scope closes. The `message` of every error is one line that says what to do. */
export const runHost = <Role extends StartedRole>(
  program: HostProgram<Role>,
  options: RunHostOptions = {}
): Effect.Effect<RunningHost<Role>, HostProgramError | ListenError, Scope.Scope> =>
  Effect.gen(function* () {
    countExternalMemoryInHeapLimit()
    const own = makeOwnListeners()
    const services = yield* Layer.build(hostServices(options, own))
    const role = yield* Effect.provideContext(program, services)
    const listeners: Array<ServedListener> = []
    // The first one stops first: it may still ask the others while it answers its last requests.
    for (const listener of role.listeners.toReversed()) {
      const served = yield* serveListener(listener)
      yield* own.add(served, listener.app)
      listeners.unshift(served)
    }
    return { role, listeners }
  })

const hostServices = (options: RunHostOptions, own: OwnListeners): Layer.Layer<HostServices> =>
  Layer.mergeAll(
    hostStorage(options.storage),
    options.transport ?? wsTransport,
    nodeTimers,
    nodeDigests,
    nodeSecrets,
    Layer.effect(ProcessUse, nodeProcessUse),
    Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, own.inFrontOf)).pipe(
      Layer.provide(options.client ?? nodeHttpClient)
    )
  )
