// Assembles preheating at a proxy, which exists when the configuration names the trackers, because they know the
// agents.

import { Effect, type Scope } from "effect"
import type { HttpClient } from "effect/http"
import { makeAgentFinder } from "../client/registration-client.ts"
import { RoleMisconfigured } from "../host-program.ts"
import type { HttpRoute } from "../http/http-app.ts"
import type { RequestCounter } from "../http/http-requests.ts"
import type { ImageSource } from "../registry/image-source.ts"
import type { RegistryWrite } from "../registry/registry-routes.ts"
import type { RoleMetrics } from "../services/metrics.ts"
import type { MirrorNames } from "../upstream/mirror-names.ts"
import type { PreheatRules, ProxyConfig } from "./config.ts"
import { ProxyLimits } from "./limits.ts"
import { makePreheatJobs } from "./preheat-jobs.ts"
import { preheatingWrite, preheatRoutes } from "./preheat-routes.ts"

export interface Preheat {
  readonly routes: ReadonlyArray<HttpRoute>
  /** The write API that begins a preheat after a push that matches a rule. */
  readonly triggeredBy: (write: RegistryWrite) => RegistryWrite
}

/** Whether there are any rules: an operator that writes them wants preheating. */
const areGiven = ({ onPush, scope }: PreheatRules): boolean => onPush.length > 0 || scope.kind !== "all"

/** Rules need trackers. This is found before anything is opened. */
export const checkPreheat = ({ trackers, preheat }: ProxyConfig): Effect.Effect<void, RoleMisconfigured> =>
  trackers === undefined && areGiven(preheat)
    ? new RoleMisconfigured({
        message: "proxy: preheat is given, but trackers are not: name the trackers, which know the agents"
      })
    : Effect.void

export const makePreheat = (
  config: ProxyConfig,
  options: {
    readonly source: ImageSource
    readonly metrics: RoleMetrics
    readonly counter: RequestCounter
    readonly names: MirrorNames
  }
): Effect.Effect<Preheat, never, HttpClient.HttpClient | Scope.Scope> =>
  Effect.gen(function* () {
    const { trackers, preheat: rules } = config
    if (trackers === undefined) return { routes: [], triggeredBy: (write) => write }
    const { source, metrics, counter, names } = options
    const findAgents = yield* makeAgentFinder(trackers)
    const jobs = yield* makePreheatJobs({ source, findAgents, scope: rules.scope, metrics })
    const routing = { jobs, rules, counter, names, limits: yield* ProxyLimits }
    return {
      routes: yield* preheatRoutes(routing),
      triggeredBy: (write) => preheatingWrite(write, routing)
    }
  })
