// What an effect logs, as lines of "LEVEL message name=value" with its annotations, for tests of what an operator
// reads.

import { Effect, Logger, References } from "effect"

/** Appends what is logged while the effect runs to `into`, which replaces other loggers. */
export const logged = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  into: Array<string>
): Effect.Effect<A, E, R> =>
  Effect.provide(
    effect,
    Logger.layer([
      Logger.make(({ logLevel, message, fiber }) => {
        const words = (Array.isArray(message) ? message : [message]).map(String)
        const annotations = Object.entries(fiber.getRef(References.CurrentLogAnnotations))
        const values = annotations.map(([name, value]) => `${name}=${value}`)
        into.push([logLevel, ...words, ...values].join(" "))
      })
    ])
  )
