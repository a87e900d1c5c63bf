// Decides what an experiment is: a question, options that are typed as text and decoded by a schema, a method and its
// limits in words, and a run that gives measured figures for a seed. Invariant: the same options and seed measure the
// same; nothing measured depends on the machine. How a run is started, printed and kept is run-experiment.ts's.

import { Data, Effect, Schema } from "effect"
import type { ChartSource } from "./chart.ts"
import { namingTheChoices } from "./nearest-name.ts"
import type { OptionCodec } from "./option-text.ts"
import type { Progress } from "./progress.ts"
import type { Figure, StrategyResult } from "./result.ts"

/** An option that is unknown, malformed, or impossible beside the others. */
export class OptionInvalid extends Data.TaggedError("OptionInvalid")<{
  readonly experiment: string
  readonly option: string
  readonly message: string
}> {}

/** The run broke a check (a host beat its bound, bytes were lost, a pull failed): the result is not to be believed. */
export class ExperimentFailed extends Data.TaggedError("ExperimentFailed")<{
  readonly experiment: string
  readonly message: string
}> {}

/** What a run found. All of it is written to the report; none of it may depend on wall time or memory. */
export interface Measured {
  /** The answer to the question in a sentence or two, with its numbers. */
  readonly answer: string
  /** Rolling hash over every event of the run. */
  readonly traceHash: string
  readonly strategies: Readonly<Record<string, StrategyResult>>
  readonly figures: Readonly<Record<string, Figure>>
  /** The first is the report's main chart. */
  readonly charts: ReadonlyArray<ChartSource>
  /** For the terminal only: events dispatched, for events a second. */
  readonly events: number
}

export interface ExperimentDefinition<Fields extends OptionFields> {
  /** Lower case with hyphens; also the report's folder. */
  readonly name: string
  readonly title: string
  readonly question: string
  readonly options: Schema.Struct<Fields>
  /** How the question is answered: one paragraph each. */
  readonly method: ReadonlyArray<string>
  /** What the result does not say: one line each. */
  readonly limits: ReadonlyArray<string>
  /** Why these options cannot stand together, in a line; checked before anything runs. */
  readonly refuse?: (options: Schema.Struct<Fields>["Type"]) => string | undefined
  readonly run: (
    options: Schema.Struct<Fields>["Type"],
    seed: number,
    progress: Progress
  ) => Effect.Effect<Measured, ExperimentFailed>
}

export interface OptionDescription {
  readonly name: string
  readonly meaning: string
  /** Canonical text of the default. */
  readonly byDefault: string
}

/** Options that were decoded: nothing but a seed is missing. */
export interface PreparedExperiment {
  /** Every option in canonical text, given or not, in the order of the definition. */
  readonly options: Readonly<Record<string, string>>
  readonly run: (seed: number, progress: Progress) => Effect.Effect<Measured, ExperimentFailed>
}

/** A definition with its option type hidden, so that a registry can hold many. */
export interface Experiment {
  readonly name: string
  readonly title: string
  readonly question: string
  readonly method: ReadonlyArray<string>
  readonly limits: ReadonlyArray<string>
  readonly options: ReadonlyArray<OptionDescription>
  /** Decodes `--key value` texts; absent keys take their defaults. */
  readonly prepare: (
    texts: Readonly<Record<string, string>>
  ) => Effect.Effect<PreparedExperiment, OptionInvalid>
}

type OptionField = Schema.withDecodingDefaultKey<OptionCodec<unknown>>
export type OptionFields = { readonly [name: string]: OptionField }

/** One option: its codec, the default as a person would type it, and what it means in a line. */
export const option = <A>(
  codec: OptionCodec<A>,
  byDefault: string,
  meaning: string
): Schema.withDecodingDefaultKey<OptionCodec<A>> =>
  codec.pipe(
    Schema.annotate({ description: meaning }),
    Schema.withDecodingDefaultKey(Effect.succeed(byDefault))
  )

/** The reason without the path that a schema puts under it: the option is named anyway. */
const firstLine = (text: string): string => text.split("\n", 1)[0]!

/** Turns a definition into what a registry holds. */
export const defineExperiment = <Fields extends OptionFields>(
  definition: ExperimentDefinition<Fields>
): Experiment => {
  const { name, title, question, method, limits } = definition
  const known = Object.keys(definition.options.fields)
  const invalid = (key: string, message: string) =>
    new OptionInvalid({ experiment: name, option: key, message: `${name}: ${message}` })
  const schema = definition.options as unknown as Schema.Codec<
    Schema.Struct<Fields>["Type"],
    Readonly<Record<string, string>>
  >
  const encode = Schema.encodeSync(schema)
  const byDefault = encode(Schema.decodeSync(schema)({}))

  const prepare = Effect.fnUntraced(function* (texts: Readonly<Record<string, string>>) {
    for (const key of Object.keys(texts)) {
      if (!known.includes(key)) {
        return yield* invalid(key, `unknown option --${key}: ${namingTheChoices(key, known)}`)
      }
      const only = Schema.Struct({ [key]: definition.options.fields[key]! })
      yield* Schema.decodeUnknownEffect(only)({ [key]: texts[key] }).pipe(
        Effect.mapError((error) => invalid(key, `--${key}: ${firstLine(error.message)}`))
      )
    }
    const options = yield* Effect.orDie(Schema.decodeEffect(schema)(texts))
    const refusal = definition.refuse?.(options)
    if (refusal !== undefined) return yield* invalid("", refusal)
    return {
      options: encode(options),
      run: (seed: number, progress: Progress) => definition.run(options, seed, progress)
    }
  })

  return {
    name,
    title,
    question,
    method,
    limits,
    options: known.map((key) => ({
      name: key,
      meaning: Schema.resolveAnnotations(definition.options.fields[key]!)?.description ?? "",
      byDefault: byDefault[key]!
    })),
    prepare
  }
}
