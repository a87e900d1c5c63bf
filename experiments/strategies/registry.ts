// All strategies, shipped roles and rivals, in the order in which reports show them.

import { Effect } from "effect"
import { namingTheChoices } from "../engine/nearest-name.ts"
import { binomial } from "./binomial.ts"
import { clientServer } from "./client-server.ts"
import { kraken } from "./kraken.ts"
import { shoal } from "./shoal.ts"
import { type Strategy, StrategyFailed } from "./strategy.ts"
import { supernode } from "./supernode.ts"
import { tree } from "./tree.ts"

export const strategies: ReadonlyArray<Strategy> = [shoal, kraken, clientServer, supernode, tree, binomial]

/** The strategy of that name. The error for an unknown name suggests the nearest one. */
export const findStrategy = (name: string): Effect.Effect<Strategy, StrategyFailed> => {
  const found = strategies.find((strategy) => strategy.name === name)
  if (found !== undefined) return Effect.succeed(found)
  const known = strategies.map((strategy) => strategy.name)
  const message = `unknown strategy ${name}: ${namingTheChoices(name, known)}`
  return Effect.fail(new StrategyFailed({ strategy: name, message }))
}
