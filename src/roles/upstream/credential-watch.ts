// Tells the operator when an upstream stops and when it starts again to accept the configured credentials. Clients see
// a 404 then, and go on to another host, so the log is the only place that says it.
//
// Invariant: per upstream at most one warning within `credentialWarningPause`, however many requests are refused. It
// does not know requests or secrets; its callers give it reasons without secrets.

import { Clock, Effect } from "effect"
import { UpstreamLimits } from "./limits.ts"

export interface CredentialWatch {
  /** The credentials were refused, cannot be read, or are missing. */
  readonly refused: (why: string) => Effect.Effect<void>
  /** The upstream, or its token server, accepted them. */
  readonly accepted: Effect.Effect<void>
}

/** `name` is that of the upstream. */
export const makeCredentialWatch = (name: string): Effect.Effect<CredentialWatch> =>
  Effect.gen(function* () {
    const { credentialWarningPause } = yield* UpstreamLimits
    let isRefused = false
    let quietUntil = Number.NEGATIVE_INFINITY
    return {
      refused: (why) =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          if (isRefused || now < quietUntil) return
          isRefused = true
          quietUntil = now + credentialWarningPause / 1000
          yield* Effect.annotateLogs(
            Effect.logWarning("an upstream cannot be used as it is configured:", why),
            { upstream: name }
          )
        }),
      accepted: Effect.suspend(() => {
        if (!isRefused) return Effect.void
        isRefused = false
        return Effect.annotateLogs(Effect.logInfo("an upstream accepts the configured credentials again"), {
          upstream: name
        })
      })
    }
  })
