// Decides the form in which every role is handed to a world: a program that, over the services below, starts whatever
// runs in its scope and says which HTTP apps listen where. The worlds (runtime-net, runtime-sim) supply the services,
// serve the apps, and own start, stop and kill.

import type { Effect, Scope } from "effect"
import type { HttpClient } from "effect/http"
import type { Micros } from "../protocol/kit/time.ts"
import type { HttpApp } from "./http/http-app.ts"
import type { Digests } from "./services/digests.ts"
import type { HostStorage } from "./services/host-storage.ts"
import type { PeerTransport } from "./services/peer-transport.ts"
import type { Timers } from "./services/timers.ts"

/** All that a role may reach outside itself, with Effect's own Clock, Random, Logger and Tracer. */
export type HostServices = HostStorage | PeerTransport | Timers | Digests | HttpClient.HttpClient

export interface HttpListener {
  /** For people: "registry", "tracker", ... */
  readonly name: string
  readonly listen: { readonly host: string; readonly port: number }
  readonly app: HttpApp
  /** How long clients may take; limits.ts has what holds where it is absent. */
  readonly patience?: { readonly headers: Micros; readonly body: Micros }
}

/** What a started role offers. `E` of HostProgram is a one-line, actionable message in `message`. */
export interface StartedRole {
  readonly listeners: ReadonlyArray<HttpListener>
}

export interface HostProgramError {
  readonly _tag: string
  readonly message: string
}

export type HostProgram<Role extends StartedRole = StartedRole> = Effect.Effect<
  Role,
  HostProgramError,
  HostServices | Scope.Scope
>
