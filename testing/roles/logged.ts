// What an effect logs, as lines of "LEVEL message", for tests of what an operator reads.

import { Effect, Logger } from "effect"

/** Appends what is logged while the effect runs to `into`, which replaces other loggers. */
export const logged = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  into: Array<string>
): Effect.Effect<A, E, R> =>
  Effect.provide(
    effect,
    Logger.layer([
      Logger.make(({ logLevel, message }) => {
        into.push(`${logLevel} ${(Array.isArray(message) ? message : [message]).map(String).join(" ")}`)
      })
    ])
  )
