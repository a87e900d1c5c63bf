// Definition of an experiment: a question, options that are typed as text and decoded by a schema, a method and its
// limits in words, independent cells that are measured one by one, a conclusion from all of them, and an answer.
// Invariants: equal inputs give equal outcomes, in any order and in any thread; nothing that is measured depends on the
// machine; inputs and outcomes are plain JSON data. It does not know how a run is started, spread over cores, printed
// or kept.

import { Data, Effect, Schema } from "effect"
import type { ChartSource } from "../report/chart.ts"
import type { Figure, Findings, StrategyResult, Table } from "../report/result.ts"
import { namingTheChoices } from "./nearest-name.ts"
import type { OptionCodec } from "./option-text.ts"
import type { Progress } from "./progress.ts"

/** An option is unknown or malformed, or contradicts another one. */
export class OptionInvalid extends Data.TaggedError("OptionInvalid")<{
  readonly experiment: string
  readonly option: string
  readonly message: string
}> {}

/**
 * A check of one cell or of all together failed (a host beat its bound, bytes were lost): the result is not credible.
 */
export class ExperimentFailed extends Data.TaggedError("ExperimentFailed")<{
  readonly experiment: string
  readonly message: string
}> {}

/** One of the independent runs that an experiment consists of. */
export interface Cell<Input> {
  /** A few words that no other cell of the experiment has. They are printed, and typed after --cell. */
  readonly label: string
  /** Plain JSON data. */
  readonly input: Input
  /** Time relative to the other cells of the experiment, in any unit: the longest start first. */
  readonly cost: number
  /** Estimated bytes while it runs. A cell that needs more than the machine has is refused before anything runs. */
  readonly memory: number
}

/** The part that all outcomes have. */
export interface CellOutcome {
  /** Rolling hash over every event of the run. */
  readonly traceHash: string
  /** Events dispatched; printed on the terminal only. */
  readonly events: number
}

/** The findings of all cells together. All of it goes into the report; none of it may depend on wall time or memory. */
export interface Measured {
  /** The bound of the ratios, in a line. */
  readonly bound?: string
  readonly strategies: Readonly<Record<string, StrategyResult>>
  readonly figures: Readonly<Record<string, Figure>>
  readonly tables?: ReadonlyArray<Table>
  /** The first is the report's main chart. */
  readonly charts: ReadonlyArray<ChartSource>
}

export interface ExperimentDefinition<Fields extends OptionFields, Input, Outcome extends CellOutcome> {
  /** Lower case with hyphens. Also the folder of the report, and of the module: experiments/NAME/NAME.ts. */
  readonly name: string
  readonly title: string
  readonly question: string
  readonly options: Schema.Struct<Fields>
  /**
   * Option texts of the small version that --quick runs in less than about 40 s on one core. The key `seed` stands for
   * --seed; without it the small version takes the seeds of the full one.
   */
  readonly quick: Readonly<Record<string, string>>
  /** Seeds when none are given: "1" or "1-5". */
  readonly seeds: string
  /** How the question is answered, in paragraphs. */
  readonly method: ReadonlyArray<string>
  /** What the result does not show, in lines. */
  readonly limits: ReadonlyArray<string>
  /** What short names in its tables and charts mean. */
  readonly names?: Readonly<Record<string, string>>
  /** The models of links on which it measures. Absent with an option `links`, which says it. */
  readonly links?: ReadonlyArray<string>
  /** Why these options contradict each other, in a line. Called before anything runs. */
  readonly refuse?: (options: Schema.Struct<Fields>["Type"]) => string | undefined
  /** The independent runs. Each gives the same outcome in any order and in any thread. */
  readonly cells: (
    options: Schema.Struct<Fields>["Type"],
    seeds: ReadonlyArray<number>
  ) => ReadonlyArray<Cell<Input>>
  /** Runs one cell. The outcome is plain JSON data: it comes from a worker thread and is kept on disk. */
  readonly measure: (input: Input, progress: Progress) => Effect.Effect<Outcome, ExperimentFailed>
  /** Derives the result from all outcomes, in the order of the cells. Pure. Fails when a check over the cells fails. */
  readonly conclude: (
    options: Schema.Struct<Fields>["Type"],
    seeds: ReadonlyArray<number>,
    outcomes: ReadonlyArray<Outcome>
  ) => Effect.Effect<Measured, ExperimentFailed>
  /**
   * The answer to the question: one to three plain sentences of at most 30 words each. A pure function of what
   * result.json keeps, so that a report can be worded again without measuring.
   */
  readonly answer: (options: Schema.Struct<Fields>["Type"], findings: Findings) => string
}

interface OptionDescription {
  readonly name: string
  readonly meaning: string
  /** Canonical text of the default. */
  readonly byDefault: string
}

/** Options and seeds that were decoded and are possible together. */
export interface PreparedExperiment {
  /** Every option in canonical text, given or not, in the order of the definition. */
  readonly options: Readonly<Record<string, string>>
  readonly cells: ReadonlyArray<Cell<unknown>>
  /** `outcomes` are those of `measure`, in the order of the cells, after a trip through JSON. */
  readonly conclude: (outcomes: ReadonlyArray<unknown>) => Effect.Effect<Measured, ExperimentFailed>
  /** `findings` are rounded, as result.json keeps them. */
  readonly answer: (findings: Findings) => string
}

/** A definition without its types, so that one registry holds all of them. */
export interface Experiment {
  readonly name: string
  readonly title: string
  readonly question: string
  readonly method: ReadonlyArray<string>
  readonly limits: ReadonlyArray<string>
  readonly names?: Readonly<Record<string, string>>
  readonly links?: ReadonlyArray<string>
  readonly options: ReadonlyArray<OptionDescription>
  readonly quick: Readonly<Record<string, string>>
  readonly seeds: string
  /** Decodes `--key value` texts; absent keys take their defaults. */
  readonly prepare: (
    texts: Readonly<Record<string, string>>,
    seeds: ReadonlyArray<number>
  ) => Effect.Effect<PreparedExperiment, OptionInvalid>
  /** Runs the cell of this input. A defect becomes a failure. */
  readonly measure: (input: unknown, progress: Progress) => Effect.Effect<CellOutcome, ExperimentFailed>
}

type OptionField = Schema.withDecodingDefaultKey<OptionCodec<unknown>>
export type OptionFields = { readonly [name: string]: OptionField }

/** One option: its codec, the default as a person types it, and its meaning in a line. */
export const option = <A>(
  codec: OptionCodec<A>,
  byDefault: string,
  meaning: string
): Schema.withDecodingDefaultKey<OptionCodec<A>> =>
  codec.pipe(
    Schema.annotate({ description: meaning }),
    Schema.withDecodingDefaultKey(Effect.succeed(byDefault))
  )

/** The reason without the path that a schema puts below it: the message names the option already. */
const firstLine = (text: string): string => text.replace(/\n.*/s, "")

/** Turns a definition into an entry of the registry. */
export const defineExperiment = <Fields extends OptionFields, Input, Outcome extends CellOutcome>(
  definition: ExperimentDefinition<Fields, Input, Outcome>
): Experiment => {
  const { name, title, question, method, limits, quick, seeds } = definition
  const fields: Readonly<Record<string, OptionField>> = definition.options.fields
  const invalid = (key: string, message: string) =>
    new OptionInvalid({ experiment: name, option: key, message: `${name}: ${message}` })
  const schema = definition.options as unknown as Schema.Codec<
    Schema.Struct<Fields>["Type"],
    Readonly<Record<string, string>>
  >
  const encode = Schema.encodeSync(schema)
  const byDefault: Readonly<Record<string, string>> = encode(Schema.decodeSync(schema)({}))

  const failing = Effect.catchDefect((defect: unknown) =>
    Effect.fail(new ExperimentFailed({ experiment: name, message: `${name}: ${defect}` }))
  )

  const prepare = Effect.fnUntraced(function* (
    texts: Readonly<Record<string, string>>,
    seeds: ReadonlyArray<number>
  ) {
    for (const key of Object.keys(texts)) {
      const field = fields[key]
      if (field === undefined) {
        return yield* invalid(key, `unknown option --${key}: ${namingTheChoices(key, Object.keys(fields))}`)
      }
      const only = Schema.Struct({ [key]: field })
      yield* Schema.decodeUnknownEffect(only)({ [key]: texts[key] }).pipe(
        Effect.mapError((error) => invalid(key, `--${key}: ${firstLine(error.message)}`))
      )
    }
    const options = yield* Effect.orDie(Schema.decodeEffect(schema)(texts))
    const refusal = definition.refuse?.(options)
    if (refusal !== undefined) return yield* invalid("", refusal)
    return {
      options: encode(options),
      cells: definition.cells(options, seeds),
      conclude: (outcomes: ReadonlyArray<unknown>) =>
        failing(definition.conclude(options, seeds, outcomes as ReadonlyArray<Outcome>)),
      answer: (findings: Findings) => definition.answer(options, findings)
    }
  })

  return {
    name,
    title,
    question,
    method,
    limits,
    ...(definition.names === undefined ? {} : { names: definition.names }),
    ...(definition.links === undefined ? {} : { links: definition.links }),
    options: Object.entries(fields).map(([key, field]) => ({
      name: key,
      meaning: Schema.resolveAnnotations(field)?.description ?? "",
      byDefault: byDefault[key] ?? ""
    })),
    quick,
    seeds,
    prepare,
    measure: (input, progress) => failing(definition.measure(input as Input, progress))
  }
}
