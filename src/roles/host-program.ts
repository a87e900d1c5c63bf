// Host program: the form of every role. It is an Effect over the services below that starts what runs in its scope
// and returns the HTTP apps with the addresses on which they listen. A world (runtime-net, runtime-sim) supplies the
// services, serves the apps, and starts, stops and kills the program. A role never reaches outside these services.

import { Data, type Effect, type Scope } from "effect"
import type { HttpClient } from "effect/http"
import type { Micros } from "../protocol/kit/time.ts"
import type { HttpApp } from "./http/http-app.ts"
import type { Digests } from "./services/digests.ts"
import type { HostStorage } from "./services/host-storage.ts"
import type { PeerTransport } from "./services/peer-transport.ts"
import type { Timers } from "./services/timers.ts"

/** Everything that a role may reach outside itself, besides Effect's own Clock, Random, Logger and Tracer. */
export type HostServices = HostStorage | PeerTransport | Timers | Digests | HttpClient.HttpClient

export interface HttpListener {
  /** A name for people: "registry", "tracker", ... */
  readonly name: string
  readonly listen: { readonly host: string; readonly port: number }
  readonly app: HttpApp
  /** How long clients may take to send headers and body; the defaults are in limits.ts. */
  readonly patience?: { readonly headers: Micros; readonly body: Micros }
}

/** What a started role offers to its world. */
export interface StartedRole {
  readonly listeners: ReadonlyArray<HttpListener>
  /** What listens for peers, at the "host:port" where they connect. Absent for a role that is no peer. */
  readonly engine?: { readonly address: string }
}

/** `message` is one line that says what to change. */
export interface HostProgramError {
  readonly _tag: string
  readonly message: string
}

export type HostProgram<Role extends StartedRole = StartedRole> = Effect.Effect<
  Role,
  HostProgramError,
  HostServices | Scope.Scope
>

/** The parts of a configuration are well formed but do not fit together. `message` names the keys and the change. */
export class RoleMisconfigured extends Data.TaggedError("RoleMisconfigured")<{ readonly message: string }> {}
