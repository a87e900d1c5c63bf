// Decides what an experiment is: a question, options that are typed as text and decoded by a schema, a method and its
// limits in words, independent cells that are measured one by one, and a conclusion from all of them. Invariants: the
// same input measures the same, in any order and in any thread; nothing measured depends on the machine; inputs and
// outcomes are plain JSON data. How a run is started, spread over cores, printed and kept is not told here.

import { Data, Effect, Schema } from "effect"
import type { ChartSource } from "../report/chart.ts"
import type { Figure, Findings, StrategyResult, Table } from "../report/result.ts"
import { namingTheChoices } from "./nearest-name.ts"
import type { OptionCodec } from "./option-text.ts"
import type { Progress } from "./progress.ts"

/** An option that is unknown, malformed, or impossible beside the others. */
export class OptionInvalid extends Data.TaggedError("OptionInvalid")<{
  readonly experiment: string
  readonly option: string
  readonly message: string
}> {}

/** A cell or all together broke a check (a host beat its bound, bytes were lost, a pull failed): the result is not to be believed. */
export class ExperimentFailed extends Data.TaggedError("ExperimentFailed")<{
  readonly experiment: string
  readonly message: string
}> {}

/** One of the independent runs that an experiment consists of. */
export interface Cell<Input> {
  /** Which one it is, in a few words, unlike every other of the experiment: it is printed and typed after --cell. */
  readonly label: string
  /** Plain JSON data. */
  readonly input: Input
  /** How long it takes beside the experiment's other cells, in any unit: the longest start first. */
  readonly cost: number
  /** Bytes that it needs while it runs, estimated; more than the machine has is refused before anything runs. */
  readonly memory: number
}

/** What every outcome tells, whatever else it holds. */
export interface CellOutcome {
  /** Rolling hash over every event of the run. */
  readonly traceHash: string
  /** For the terminal only: events dispatched, for events a second. */
  readonly events: number
}

/** What all cells together show. All of it is written to the report; none of it may depend on wall time or memory. */
export interface Measured {
  /** Which bound the ratios are against, in a line. */
  readonly bound?: string
  readonly strategies: Readonly<Record<string, StrategyResult>>
  readonly figures: Readonly<Record<string, Figure>>
  readonly tables?: ReadonlyArray<Table>
  /** The first is the report's main chart. */
  readonly charts: ReadonlyArray<ChartSource>
}

export interface ExperimentDefinition<Fields extends OptionFields, Input, Outcome extends CellOutcome> {
  /** Lower case with hyphens; also the report's folder, and folder and file of its module: experiments/NAME/NAME.ts. */
  readonly name: string
  readonly title: string
  readonly question: string
  readonly options: Schema.Struct<Fields>
  /**
   * Option texts of the small version that --quick runs, under about 40 s on one core. The key `seed` stands for --seed;
   * without it the quick version has the seeds of the full one.
   */
  readonly quick: Readonly<Record<string, string>>
  /** Seeds when none are given: "1" or "1-5". */
  readonly seeds: string
  /** How the question is answered: one paragraph each. */
  readonly method: ReadonlyArray<string>
  /** What the result does not say: one line each. */
  readonly limits: ReadonlyArray<string>
  /** Why these options cannot stand together, in a line; checked before anything runs. */
  readonly refuse?: (options: Schema.Struct<Fields>["Type"]) => string | undefined
  /** The independent runs that answer the question: each gives the same outcome in any order and in any thread. */
  readonly cells: (
    options: Schema.Struct<Fields>["Type"],
    seeds: ReadonlyArray<number>
  ) => ReadonlyArray<Cell<Input>>
  /** Runs one cell. The outcome is plain JSON data as well: it comes from a worker thread and is kept on disk. */
  readonly measure: (input: Input, progress: Progress) => Effect.Effect<Outcome, ExperimentFailed>
  /** The result, from all outcomes in the cells' order. Pure. Fails when a check over the cells fails. */
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
  /** `outcomes` are what `measure` gave for the cells, in their order, as they are after a trip through JSON. */
  readonly conclude: (outcomes: ReadonlyArray<unknown>) => Effect.Effect<Measured, ExperimentFailed>
  /** `findings` are rounded, as result.json keeps them. */
  readonly answer: (findings: Findings) => string
}

/** A definition with its types hidden, so that a registry can hold many. */
export interface Experiment {
  readonly name: string
  readonly title: string
  readonly question: string
  readonly method: ReadonlyArray<string>
  readonly limits: ReadonlyArray<string>
  readonly options: ReadonlyArray<OptionDescription>
  readonly quick: Readonly<Record<string, string>>
  readonly seeds: string
  /** Decodes `--key value` texts; absent keys take their defaults. */
  readonly prepare: (
    texts: Readonly<Record<string, string>>,
    seeds: ReadonlyArray<number>
  ) => Effect.Effect<PreparedExperiment, OptionInvalid>
  /** Runs the cell that has this input. A defect is a failure like any other. */
  readonly measure: (input: unknown, progress: Progress) => Effect.Effect<CellOutcome, ExperimentFailed>
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
export const defineExperiment = <Fields extends OptionFields, Input, Outcome extends CellOutcome>(
  definition: ExperimentDefinition<Fields, Input, Outcome>
): Experiment => {
  const { name, title, question, method, limits, quick, seeds } = definition
  const known = Object.keys(definition.options.fields)
  const invalid = (key: string, message: string) =>
    new OptionInvalid({ experiment: name, option: key, message: `${name}: ${message}` })
  const schema = definition.options as unknown as Schema.Codec<
    Schema.Struct<Fields>["Type"],
    Readonly<Record<string, string>>
  >
  const encode = Schema.encodeSync(schema)
  const byDefault = encode(Schema.decodeSync(schema)({}))

  const failing = Effect.catchDefect((defect: unknown) =>
    Effect.fail(new ExperimentFailed({ experiment: name, message: `${name}: ${defect}` }))
  )

  const prepare = Effect.fnUntraced(function* (
    texts: Readonly<Record<string, string>>,
    seeds: ReadonlyArray<number>
  ) {
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
    options: known.map((key) => ({
      name: key,
      meaning: Schema.resolveAnnotations(definition.options.fields[key]!)?.description ?? "",
      byDefault: byDefault[key]!
    })),
    quick,
    seeds,
    prepare,
    measure: (input, progress) => failing(definition.measure(input as Input, progress))
  }
}
