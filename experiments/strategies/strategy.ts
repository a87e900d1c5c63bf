// A strategy as experiments see it: a name, parameters that are typed as text, and a run that turns a flash crowd into
// its outcome, for shipped roles and rivals. Invariant: equal flash crowds and parameters give equal outcomes, whatever
// ran before. It does not know how a strategy runs.

import { Data, Effect, Exit, Schema } from "effect"
import { namingTheChoices } from "../engine/nearest-name.ts"
import type { OptionCodec } from "../engine/option-text.ts"
import type { Progress } from "../engine/progress.ts"
import type { CrowdOutcome, FlashCrowd } from "../flash-crowd/flash-crowd.ts"

/** The flash crowd cannot run with these parameters, or did not end. `message` says why and what to change. */
export class StrategyFailed extends Data.TaggedError("StrategyFailed")<{
  readonly strategy: string
  readonly message: string
}> {}

interface StrategyParameter {
  readonly name: string
  /** A line, with the unit. */
  readonly meaning: string
  /** Canonical text of the default, which is the published one. */
  readonly byDefault: string
}

export interface Strategy {
  /** Lower case with hyphens, as it is typed. */
  readonly name: string
  readonly parameters: ReadonlyArray<StrategyParameter>
  /** Parameters that make it clearly faster than the published ones, if there are any. */
  readonly tuned: Readonly<Record<string, string>> | undefined
  /**
   * Why this flash crowd cannot run with these parameters, or undefined. It is cheap, to be called before anything
   * runs.
   */
  readonly refusal: (spec: FlashCrowd, parameters: Readonly<Record<string, string>>) => string | undefined
  /** Runs one flash crowd. Absent parameters take their defaults. It fails where `refusal` gives a reason. */
  readonly run: (
    spec: FlashCrowd,
    parameters: Readonly<Record<string, string>>,
    progress: Progress
  ) => Effect.Effect<CrowdOutcome, StrategyFailed>
}

/** A parameter by its codec. */
export interface Parameter<A> {
  readonly codec: OptionCodec<A>
  readonly byDefault: string
  readonly meaning: string
}

export const parameter = <A>(codec: OptionCodec<A>, byDefault: string, meaning: string): Parameter<A> => ({
  codec,
  byDefault,
  meaning
})

export interface StrategyDefinition<Values extends object> {
  readonly name: string
  readonly parameters: { readonly [Key in keyof Values]: Parameter<Values[Key]> }
  /** As in Strategy. */
  readonly tuned?: { readonly [Key in keyof NoInfer<Values>]?: string }
  /** Why this flash crowd cannot run with these values. */
  readonly refuse?: (spec: FlashCrowd, values: Values) => string | undefined
  readonly run: (
    spec: FlashCrowd,
    values: Values,
    progress: Progress
  ) => Effect.Effect<CrowdOutcome, StrategyFailed>
}

/** Hides the type of the parameters, so that one registry holds all strategies. */
export const defineStrategy = <Values extends object>(definition: StrategyDefinition<Values>): Strategy => {
  const { name, parameters } = definition
  const keys = Object.keys(parameters) as unknown as ReadonlyArray<Extract<keyof Values, string>>

  /** The values, or why the texts are invalid. */
  const decode = (texts: Readonly<Record<string, string>>): Values | string => {
    for (const key of Object.keys(texts)) {
      if (!(keys as ReadonlyArray<string>).includes(key)) {
        return `unknown parameter ${key}: ${namingTheChoices(key, keys)}`
      }
    }
    const values: Partial<Values> = {}
    for (const key of keys) {
      const { codec, byDefault } = parameters[key]
      const exit = Schema.decodeExit(codec)(texts[key] ?? byDefault)
      if (Exit.isFailure(exit)) {
        const reason = exit.cause.reasons[0]
        const why = reason?._tag === "Fail" ? reason.error.message.split("\n", 1)[0] : "it cannot be read"
        return `parameter ${key}: ${why}`
      }
      values[key] = exit.value
    }
    return values as Values
  }

  const refusalOf = (spec: FlashCrowd, values: Values | string): string | undefined =>
    typeof values === "string" ? values : definition.refuse?.(spec, values)

  return {
    name,
    parameters: keys.map((key) => ({
      name: key,
      meaning: parameters[key].meaning,
      byDefault: parameters[key].byDefault
    })),
    tuned: definition.tuned as Readonly<Record<string, string>> | undefined,
    refusal: (spec, texts) => refusalOf(spec, decode(texts)),
    run: (spec, texts, progress) => {
      const values = decode(texts)
      const refusal = refusalOf(spec, values)
      return refusal === undefined && typeof values !== "string"
        ? definition.run(spec, values, progress)
        : Effect.fail(new StrategyFailed({ strategy: name, message: `${name}: ${refusal}` }))
    }
  }
}
